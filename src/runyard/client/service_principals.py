"""Service principals. What is told about one is a dict, as the server told it."""

from __future__ import annotations

from runyard.client.address import segment
from runyard.client.http import NATIVE, Http, Object, native_page, pages

_AT = f"{NATIVE}/service-principals"


def listing(http: Http, limit: int = 0) -> tuple[list[Object], bool]:
    """Service principals by name, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT), limit)


def get(http: Http, name: str) -> Object:
    """A service principal and its groups.

    Raises:
        ClientError: see `errors`.
    """
    found: Object = http.get(f"{_AT}/{segment(name)}")
    return found


def create(http: Http, name: str, *, display_name: str = "", is_admin: bool = False) -> Object:
    """Make a service principal; it signs in with tokens that administrators make for it.

    Raises:
        ClientError: see `errors`.
    """
    body = {"name": name, "display_name": display_name, "is_admin": is_admin}
    made: Object = http.post(_AT, body)
    return made


def change(
    http: Http,
    name: str,
    *,
    display_name: str | None = None,
    is_admin: bool | None = None,
    is_disabled: bool | None = None,
) -> Object:
    """Change what isn't None.

    Raises:
        ClientError: see `errors`.
    """
    wanted = {"display_name": display_name, "is_admin": is_admin, "is_disabled": is_disabled}
    body = {key: value for key, value in wanted.items() if value is not None}
    changed: Object = http.patch(f"{_AT}/{segment(name)}", body)
    return changed


def delete(http: Http, name: str) -> Object:
    """Move a service principal to the trash; tells its `id` there and its `purge_time`.

    Raises:
        ClientError: see `errors`.
    """
    moved: Object = http.delete(f"{_AT}/{segment(name)}")
    return moved
