"""The activity log. What is told about an event is a dict, as the server told it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runyard.client import ids
from runyard.client.errors import NotRunyard
from runyard.client.http import NATIVE, Http, Object, native_page, pages

Filter = Mapping[str, str | int | None]
"""`actor`, `action` (how it begins), `target_type`, `target`, `since`, `until` (milliseconds since the
epoch), `text`, `workspace` (`*`: all)."""

_AT = f"{NATIVE}/activity"


def listing(http: Http, asked: Filter, limit: int = 0) -> tuple[list[Object], bool]:
    """Events, the newest first, and whether there are more than `limit` (0: no limit).

    Raises:
        ClientError: see `errors`.
    """
    return pages(native_page(http, _AT, asked), limit)


def target(http: Http, kind: str, identifier: str, *, workspace: str | None = None) -> str:
    """The whole id of a run, a model or deleted files, of which the beginning does; others as they are.

    It is looked for in the log itself, which knows of what is long purged.

    Args:
        http: the server.
        kind: the target's type.
        identifier: the id, or the beginning of it.
        workspace: as in a filter.

    Raises:
        ConfigurationError: several ids begin like this, or it is too short.
        ClientError: see `errors`.
    """

    def begin_with(begin: str) -> list[str]:
        found, _ = listing(http, {"target_type": kind, "text": begin, "workspace": workspace})
        return [event["target"] for event in found]

    return ids.whole(kind, identifier, begin_with)


def export(http: Http, asked: Filter, form: str) -> Iterator[bytes]:
    """All events, the oldest first, as `jsonl` or `csv`, piece by piece.

    Raises:
        ClientError: see `errors`.
    """
    with http.stream(f"{_AT}/export", {**asked, "format": form}) as response:
        yield from response.iter_bytes()


def head(http: Http) -> Object:
    """How far the log is sealed: `head` (SEQUENCE:HASH), `sequence`, `hash`, `time`, `unsealed`.

    Raises:
        ClientError: see `errors`.
    """
    found: Object = http.get(f"{_AT}/head")
    return found


def verify(http: Http, noted: str = "") -> Iterator[Object]:
    """Have the whole chain computed anew, a part at a time; the last answer is `complete` or not `ok`.

    Args:
        http: the server.
        noted: a head that was noted earlier, SEQUENCE:HASH.

    Raises:
        ClientError: see `errors`.
    """
    after = ""
    while True:
        found: Object = http.get(f"{_AT}/verify", {"head": noted or None, "after": after or None})
        yield found
        if found["complete"] or not found["ok"]:
            return
        if found["verified"] == after:
            raise NotRunyard("The server verifies nothing more, and says that it isn't done.")
        after = found["verified"]
