"""Roles. What is told about one is a dict, as the server told it."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.client.address import segment
from runyard.client.http import NATIVE, Http, Object, native_page, pages

_AT = f"{NATIVE}/roles"


def listing(http: Http, limit: int = 0) -> tuple[list[Object], bool]:
    """The built-in roles, then the custom ones by name, and whether there are more than `limit` (0: all).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT), limit)


def get(http: Http, name: str) -> Object:
    """A role.

    Raises:
        ClientError: see `errors`.
    """
    found: Object = http.get(f"{_AT}/{segment(name)}")
    return found


def save(
    http: Http,
    name: str,
    *,
    actions: Sequence[str],
    not_actions: Sequence[str] = (),
    description: str = "",
    scopes: Sequence[str] = (),
) -> Object:
    """Make or change a custom role: it gives `actions` without `not_actions`; `*` stands for any text.

    Scopes that name less than `/` are refused: a role is there for every workspace.

    Raises:
        ClientError: see `errors`.
    """
    body = {
        "actions": list(actions),
        "not_actions": list(not_actions),
        "description": description,
        "assignable_scopes": list(scopes),
    }
    saved: Object = http.put(f"{_AT}/{segment(name)}", body)
    return saved


def delete(http: Http, name: str) -> Object:
    """Move a custom role to the trash; tells its `id` there and its `purge_time`.

    Raises:
        ClientError: see `errors`.
    """
    moved: Object = http.delete(f"{_AT}/{segment(name)}")
    return moved
