"""Workspaces, their members and quotas. What is told about them is a dict, as the server told it."""

from __future__ import annotations

from collections.abc import Mapping

from runyard.client.address import segment
from runyard.client.http import NATIVE, Http, Object, native_page, pages

_AT = f"{NATIVE}/workspaces"


def listing(http: Http, *, state: str | None = None, limit: int = 0) -> tuple[list[Object], bool]:
    """The workspaces that one may enter by name, and whether there are more than `limit` (0: no limit).

    Without a state (`active`, `archived`, `deleted`) all but those in the trash.

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT, {"state": state}), limit)


def get(http: Http, name: str) -> Object:
    """A workspace with counts, storage and quotas.

    Raises:
        ClientError: see `errors`.
    """
    found: Object = http.get(_one(name))
    return found


def create(http: Http, name: str, *, description: str = "", tags: Mapping[str, str] | None = None) -> Object:
    """Make a workspace.

    Raises:
        ClientError: see `errors`.
    """
    made: Object = http.post(_AT, {"name": name, "description": description, "tags": tags or {}})
    return made


def change(
    http: Http,
    name: str,
    *,
    description: str | None = None,
    tags: Mapping[str, str | None] | None = None,
    state: str | None = None,
) -> Object:
    """Change what isn't None.

    Args:
        http: the server.
        name: the workspace.
        description: the new one.
        tags: those to set and, with None, to delete; all others stay.
        state: `active` or `archived`.

    Raises:
        ClientError: see `errors`.
    """
    wanted = {"description": description, "tags": tags, "state": state}
    body = {key: value for key, value in wanted.items() if value is not None}
    changed: Object = http.patch(_one(name), body)
    return changed


def delete(http: Http, name: str) -> None:
    """Move a workspace to the trash.

    Raises:
        ClientError: see `errors`.
    """
    http.delete(_one(name))


def restore(http: Http, name: str) -> None:
    """Bring a workspace back from the trash.

    Raises:
        ClientError: see `errors`.
    """
    http.post(f"{_one(name)}/restore")


def purge(http: Http, name: str) -> Object:
    """Delete a workspace in the trash for good.

    Raises:
        ClientError: see `errors`.
    """
    purged: Object = http.post(f"{_one(name)}/purge")
    return purged


def members(http: Http, name: str, limit: int = 0) -> tuple[list[Object], bool]:
    """Members and their roles, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, f"{_one(name)}/members"), limit)


def assign(http: Http, name: str, principal: str, role: str) -> None:
    """Give a user, service principal or group a role.

    Raises:
        ClientError: see `errors`.
    """
    http.put(f"{_one(name)}/members/{segment(principal)}/{segment(role)}")


def unassign(http: Http, name: str, principal: str, role: str) -> None:
    """Take a role from a user, service principal or group.

    Raises:
        ClientError: see `errors`.
    """
    http.delete(f"{_one(name)}/members/{segment(principal)}/{segment(role)}")


def quotas(http: Http, name: str) -> list[Object]:
    """The quotas: `name`, `scope`, `unit`, `limit` (None: no limit), `used`, `counts`.

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, f"{_one(name)}/quotas"), 0)[0]


def set_quotas(http: Http, name: str, limits: Mapping[str, int | str | None]) -> None:
    """Set some limits; None lifts one, `default` is the server's own.

    Raises:
        ClientError: see `errors`.
    """
    http.patch(f"{_one(name)}/quotas", {"limits": limits})


def _one(name: str) -> str:
    return f"{_AT}/{segment(name)}"
