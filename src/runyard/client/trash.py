"""The trash. What is told about it is a dict, as the server told it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from runyard.client import ids, runs
from runyard.client.errors import Forbidden, NotFound
from runyard.client.http import NATIVE, Http, Object, Query, native_page, pages

_AT = f"{NATIVE}/trash"
_PAGE = 1000


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
    return pages(native_page(http, _AT, _query(wanted, sizes=sizes)), limit)


def entry(http: Http, kind: str, identifier: str = "", *, experiment_id: str | None = None) -> Object:
    """What the trash tells of a thing, or of the newest of a kind; nothing where the caller sees none.

    Raises:
        ClientError: see `errors`.
    """
    fetch = native_page(http, _AT, _query(Wanted((kind,), experiment_id), sizes=False))
    token: str | None = None
    while True:
        try:
            found, token = fetch(token, _PAGE if identifier else 1)
        except (Forbidden, NotFound):
            return {}
        for one in found:
            if not identifier or one["id"] == identifier:
                return one
        if not token:
            return {}


def find(http: Http, kind: str, identifier: str) -> str:
    """The whole id of a run, a model or deleted files, of which the beginning does; others as they are.

    A model's may be given without its `m-`.

    Raises:
        ConfigurationError: several ids begin like this, or it is too short.
        ClientError: see `errors`.
    """
    if kind == "run":
        return runs.whole_id(http, identifier)
    return ids.whole(kind, identifier, lambda _: (one["id"] for one in listing(http, Wanted((kind,)))[0]))


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


def _query(wanted: Wanted, *, sizes: bool) -> Query:
    return {
        "kind": list(wanted.kinds),
        "experiment_id": wanted.experiment_id,
        "deleted_before": wanted.deleted_before,
        "sizes": sizes,
    }
