"""Rules that say who may do what in a folder or an experiment, as the server told them."""

from __future__ import annotations

from runyard.client.address import segment
from runyard.client.http import NATIVE, Http, Object, Query, native_page, pages

LEVELS = {"none": "NO_PERMISSION", "read": "CAN_READ", "edit": "CAN_EDIT", "manage": "CAN_MANAGE"}
"""What a rule gives, as people say it, and as the protocol does."""


def listing(
    http: Http,
    workspace: str,
    *,
    path: str | None = None,
    experiment_id: str | None = None,
    principal: str | None = None,
    limit: int = 0,
) -> tuple[list[Object], bool]:
    """Rules of a workspace, or those that hold in a folder or an experiment, the nearest first.

    Raises:
        ClientError: see `errors`.
    """
    query: Query = {"path": path, "experiment_id": experiment_id, "principal": principal}
    return pages(native_page(http, _at(workspace), query), limit)


def effective(
    http: Http,
    workspace: str,
    principal: str,
    *,
    path: str | None = None,
    experiment_id: str | None = None,
) -> Object:
    """What a principal may do in a folder or an experiment, all rules and roles together, and why.

    Raises:
        ClientError: see `errors`.
    """
    query: Query = {"path": path, "experiment_id": experiment_id, "principal": principal}
    found: Object = http.get(_at(workspace), query)["effective"]
    return found


def holders(
    http: Http,
    workspace: str,
    *,
    path: str | None = None,
    experiment_id: str | None = None,
    limit: int = 0,
) -> tuple[list[Object], bool]:
    """Who may read, edit or manage a folder or an experiment, and why; by name.

    Raises:
        ClientError: see `errors`.
    """
    query: Query = {"path": path, "experiment_id": experiment_id}
    at = f"{NATIVE}/workspaces/{segment(workspace)}/access"
    return pages(native_page(http, at, query), limit)


def put(
    http: Http,
    workspace: str,
    principal: str,
    level: str,
    *,
    path: str | None = None,
    experiment_id: str | None = None,
) -> None:
    """Set a rule; `level` is one of `LEVELS`.

    Raises:
        ClientError: see `errors`.
    """
    body = {"principal": principal, "level": LEVELS[level], **_place(path, experiment_id)}
    http.put(_at(workspace), body)


def delete(
    http: Http, workspace: str, principal: str, *, path: str | None = None, experiment_id: str | None = None
) -> None:
    """Delete a rule.

    Raises:
        ClientError: see `errors`.
    """
    http.delete(_at(workspace), {"principal": principal, **_place(path, experiment_id)})


def _at(workspace: str) -> str:
    return f"{NATIVE}/workspaces/{segment(workspace)}/rules"


def _place(path: str | None, experiment_id: str | None) -> Object:
    return {"path": path} if experiment_id is None else {"experiment_id": int(experiment_id)}
