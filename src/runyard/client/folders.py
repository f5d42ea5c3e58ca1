"""Folders of experiments, as the server told them. An experiment's name is its path."""

from __future__ import annotations

from runyard.client.http import NATIVE, Http, Object, native_page, pages

_AT = f"{NATIVE}/folders"


def listing(http: Http, path: str = "/", *, limit: int = 0) -> tuple[list[Object], bool]:
    """The folders right below one, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT, {"path": path}), limit)


def experiments(http: Http, path: str = "/", *, limit: int = 0) -> tuple[list[Object], bool]:
    """The experiments right in a folder, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, f"{_AT}/experiments", {"path": path}), limit)


def move(http: Http, path: str, to: str, *, dry_run: bool = False) -> Object:
    """Give a folder another path; tells how many `experiments`, `deleted` ones and `rules` move.

    Raises:
        ClientError: see `errors`.
    """
    body = {"path": path, "to": to, "dry_run": dry_run}
    moved: Object = http.post(f"{_AT}/move", body, safe=dry_run)
    return moved
