"""The trash. What is told about it is a dict, as the server told it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runyard.client.http import NATIVE, Http, Object, Query, native_page, pages

_AT = f"{NATIVE}/trash"


class Wanted(NamedTuple):
    """Which entries; all by default.

    Attributes:
        kinds: of these kinds.
        experiment_id: of this experiment.
        deleted_before: this time, in milliseconds since the epoch.
    """

    kinds: Sequence[str] = ()
    experiment_id: str | None = None
    deleted_before: int | None = None


def listing(http: Http, wanted: Wanted, *, sizes: bool = False, limit: int = 0) -> tuple[list[Object], bool]:
    """What is in the trash, the newest first, and whether there is more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    query: Query = {
        "kind": list(wanted.kinds),
        "experiment_id": wanted.experiment_id,
        "deleted_before": wanted.deleted_before,
        "sizes": sizes,
    }
    return pages(native_page(http, _AT, query), limit)


def restore(http: Http, items: Sequence[tuple[str, str]]) -> Object:
    """Bring things back, all or none, by their kinds and ids; tells how many `workspaces`, `experiments`, ...

    Raises:
        ClientError: see `errors`.
    """
    restored: Object = http.post(f"{_AT}/restore", {"items": _named(items)})
    return restored


def purge(http: Http, items: Sequence[tuple[str, str]], wanted: Wanted, *, dry_run: bool) -> Object:
    """Destroy things for good: those that are named or, without names, all that are wanted.

    Tells how many `workspaces`, `experiments`, `runs`, `models` and `artifacts`, and what they take.

    Args:
        http: the server.
        items: kinds and ids.
        wanted: which, where there are no items.
        dry_run: only tell what would go.

    Raises:
        ClientError: see `errors`.
    """
    body: Object = {"dry_run": dry_run}
    if items:
        body["items"] = _named(items)
    else:
        body |= {
            "all": True,
            "kind": list(wanted.kinds),
            "experiment_id": wanted.experiment_id,
            "deleted_before": wanted.deleted_before,
        }
    purged: Object = http.post(f"{_AT}/purge", body, safe=dry_run)
    return purged


def _named(items: Sequence[tuple[str, str]]) -> list[Object]:
    return [{"kind": kind, "id": one} for kind, one in items]
