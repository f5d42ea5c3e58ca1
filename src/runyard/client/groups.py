"""Groups of users and service principals. What is told about one is a dict, as the server told it."""

from __future__ import annotations

from runyard.client.address import segment
from runyard.client.http import NATIVE, Http, Object, native_page, pages

_AT = f"{NATIVE}/groups"


def listing(http: Http, limit: int = 0) -> tuple[list[Object], bool]:
    """Groups by name, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT), limit)


def get(http: Http, name: str) -> Object:
    """A group.

    Raises:
        ClientError: see `errors`.
    """
    found: Object = http.get(f"{_AT}/{segment(name)}")
    return found


def create(http: Http, name: str, *, display_name: str = "") -> Object:
    """Make a group.

    Raises:
        ClientError: see `errors`.
    """
    made: Object = http.post(_AT, {"name": name, "display_name": display_name})
    return made


def change(http: Http, name: str, *, display_name: str) -> Object:
    """Change how people call a group.

    Raises:
        ClientError: see `errors`.
    """
    changed: Object = http.patch(f"{_AT}/{segment(name)}", {"display_name": display_name})
    return changed


def delete(http: Http, name: str) -> Object:
    """Move a group to the trash; tells its `id` there and its `purge_time`.

    Raises:
        ClientError: see `errors`.
    """
    moved: Object = http.delete(f"{_AT}/{segment(name)}")
    return moved


def members(http: Http, name: str, limit: int = 0) -> tuple[list[Object], bool]:
    """A group's members by name, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, f"{_AT}/{segment(name)}/members"), limit)


def add(http: Http, name: str, member: str) -> None:
    """Put somebody into a group.

    Raises:
        ClientError: see `errors`.
    """
    http.put(f"{_AT}/{segment(name)}/members/{segment(member)}")


def remove(http: Http, name: str, member: str) -> None:
    """Take somebody out of a group.

    Raises:
        ClientError: see `errors`.
    """
    http.delete(f"{_AT}/{segment(name)}/members/{segment(member)}")
