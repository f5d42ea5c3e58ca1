"""`/api/runyard/1/activity`: who did what, and whether the log is still what it was."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import Response, StreamingResponse

from runyard.server import events
from runyard.server.auth.permissions import Permission
from runyard.server.auth.service.activity import Activity, Asked, Shown
from runyard.server.web import Call, Route, get

MAX_PAGE, PAGE = 1_000, 100
MAX_VERIFIED, VERIFIED = 1_000_000, 100_000
MAX_TEXT = 200

Time = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=1_000)]


class ActivityFilter(msgspec.Struct, kw_only=True):
    """Asks for events; what is left out asks for nothing.

    Attributes:
        workspace: without it those of the chosen workspace; `*` for those of all workspaces and of the
            server itself, or another workspace's name: for administrators of the server.
        actor: who did it.
        action: how the action begins: `run.` finds `run.delete` and `run.restore`.
        target_type, target: to what, such as `experiment` and its id.
        since, until: milliseconds since the epoch; `since` belongs to the range, `until` doesn't.
        text: stands somewhere in the event.
    """

    workspace: Text = ""
    actor: Text = ""
    action: Text = ""
    target_type: Text = ""
    target: Text = ""
    since: Time | None = None
    until: Time | None = None
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)] = ""

    def asked(self) -> Asked:
        """The same for the service."""
        return Asked(
            self.workspace,
            events.Filter(
                actor=self.actor,
                action=self.action,
                target_type=self.target_type,
                target=self.target,
                since=self.since,
                until=self.until,
                text=self.text,
            ),
        )


class ActivityRequest(ActivityFilter, kw_only=True):
    """Asks for a page of events, the newest first."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = PAGE
    page_token: str | None = None


class ExportRequest(ActivityFilter, kw_only=True):
    """Asks for all events that a filter finds, the oldest first."""

    format: Literal["jsonl", "csv"] = "jsonl"


class ActivityEvent(msgspec.Struct):
    """Something that happened. With these fields whoever has all events can compute the hashes.

    Attributes:
        id: names it.
        time: milliseconds since the epoch.
        workspace_id: where; "0" for the server as a whole.
        workspace: its name; null for the server, and for a workspace that is gone.
        actor_id, actor: who did it; "0" is the local principal of a server without login, "-1" nobody.
        credential: by what the actor was recognized.
        address: where the request came from.
        action: what was done, as `noun.verb`.
        target_type, target: to what.
        detail: what else is known; the JSON text is the one that the hash is computed of.
        sequence: its place in the chain of hashes; null until it is sealed, a second or so later.
        hash: 64 hexadecimal digits; it depends on the event and on every one before it.
    """

    id: str
    time: int
    workspace_id: str
    workspace: str | None
    actor_id: str
    actor: str
    credential: str
    address: str
    action: str
    target_type: str
    target: str
    detail: msgspec.Raw
    sequence: int | None
    hash: str | None


class ActivityItems(msgspec.Struct):
    """A page of events; `next_page_token` is null on the last one."""

    items: list[ActivityEvent]
    next_page_token: str | None


class NoQuestion(msgspec.Struct):
    """A request that its address says all about."""


class ActivityHead(msgspec.Struct):
    """How far the log is sealed. Keep `head` somewhere else: with it a cut or rewritten log shows.

    Attributes:
        head: `SEQUENCE:HASH`, as verifying takes it.
        sequence: the newest sealed event's place; 0 while there is none.
        hash: its hash.
        time: when it happened, in milliseconds since the epoch.
        unsealed: how many events wait to be sealed.
    """

    head: str
    sequence: int
    hash: str
    time: int
    unsealed: int


class VerifyRequest(msgspec.Struct):
    """Asks for the chain to be computed anew.

    Attributes:
        head: a head that was noted earlier, `SEQUENCE:HASH`.
        after: where to begin: the `verified` of an answer that wasn't complete; empty for the beginning.
        limit: how many events, about; a long log takes several requests.
    """

    head: str = ""
    after: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_VERIFIED)] = VERIFIED


class FoundBreak(msgspec.Struct):
    """The first place where the log isn't what it was.

    Attributes:
        kind: `changed`: an event doesn't fit its hash; `missing`: an event's place is empty; `cut`: the log
            ends before the noted head; `rewritten`: it has another hash at the noted head.
        sequence: the place.
        message: the same for people.
    """

    kind: Literal["changed", "missing", "cut", "rewritten"]
    sequence: int
    message: str


class ActivityVerification(msgspec.Struct):
    """What verifying found.

    Attributes:
        ok: whether nothing is wrong, as far as it went.
        complete: whether it went to the end; else ask again with `after` set to `verified`.
        checked: how many events.
        verified: the head up to which everything is as it was.
        broken: the first place where something is wrong, if anything is.
        unsealed: how many events wait to be sealed; nothing vouches for these yet.
    """

    ok: bool
    complete: bool
    checked: int
    verified: str
    broken: FoundBreak | None
    unsealed: int


class ActivityRoutes:
    """Handlers of `/api/runyard/1/activity`."""

    def __init__(self, activity: Activity) -> None:
        self._activity = activity

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        at, own, all_of_it = (
            "/api/runyard/1/activity",
            Permission.ACTIVITY_READ,
            Permission.SERVER_ACTIVITY_READ,
        )
        export, head, verify = f"{at}/export", f"{at}/head", f"{at}/verify"
        return [
            get(at, self.page, ActivityRequest, ActivityItems, own, "Who did what, the newest first"),
            get(export, self.export, ExportRequest, bytes, own, "All of it as JSON lines or CSV"),
            get(head, self.head, NoQuestion, ActivityHead, own, "How far the log is sealed"),
            get(
                verify, self.verify, VerifyRequest, ActivityVerification, all_of_it, "Whether it was changed"
            ),
        ]

    async def page(self, call: Call) -> ActivityItems:
        """activity"""
        sent: ActivityRequest = call.body
        found = await self._activity.page(call.principal, sent.asked(), sent.limit, sent.page_token or None)
        return ActivityItems([_event(shown) for shown in found.items], found.next_token)

    async def export(self, call: Call) -> Response:
        """activity/export"""
        sent: ExportRequest = call.body
        slices = await self._activity.export(call.principal, sent.asked())
        kind, write = _FORMATS[sent.format]
        return StreamingResponse(
            write(slices),
            media_type=kind,
            headers={
                "content-disposition": f'attachment; filename="activity.{sent.format}"',
                "x-content-type-options": "nosniff",
                "cache-control": "no-store",
            },
        )

    async def head(self, call: Call) -> ActivityHead:
        """activity/head"""
        del call
        head, unsealed = await self._activity.state()
        return ActivityHead(str(head), head.sequence, head.hash.hex(), head.time, unsealed)

    async def verify(self, call: Call) -> ActivityVerification:
        """activity/verify"""
        sent: VerifyRequest = call.body
        done = await self._activity.verify(sent.after, sent.head, sent.limit)
        broken = None
        if done.found is not None:
            broken = FoundBreak(done.found.kind, done.found.sequence, done.found.message)
        return ActivityVerification(
            broken is None, done.complete, done.checked, str(done.verified), broken, done.unsealed
        )


def _event(shown: Shown) -> ActivityEvent:
    event = shown.event
    return ActivityEvent(
        str(event.id),
        event.time,
        str(event.workspace_id),
        shown.workspace,
        str(event.actor_id),
        event.actor,
        event.credential,
        event.address,
        event.action,
        event.target_type,
        event.target,
        _json(event.detail),
        event.sequence,
        None if event.hash is None else event.hash.hex(),
    )


def _json(detail: str) -> msgspec.Raw:
    """The stored text as it is; as a JSON text where somebody made it something else than JSON."""
    try:
        msgspec.json.decode(detail)
    except msgspec.DecodeError:
        return msgspec.Raw(msgspec.json.encode(detail))
    return msgspec.Raw(detail.encode())


async def _json_lines(slices: AsyncIterator[Sequence[Shown]]) -> AsyncIterator[bytes]:
    encode = msgspec.json.Encoder().encode_lines
    async for part in slices:
        yield encode([_event(shown) for shown in part])


async def _csv(slices: AsyncIterator[Sequence[Shown]]) -> AsyncIterator[bytes]:
    yield _csv_lines([_COLUMNS])
    async for part in slices:
        yield _csv_lines([_cells(shown) for shown in part])


_COLUMNS = (
    "sequence",
    "id",
    "time",
    "utc",
    "workspace",
    "actor",
    "actor_id",
    "credential",
    "address",
    "action",
    "target_type",
    "target",
    "detail",
    "hash",
)


def _cells(shown: Shown) -> Sequence[Any]:
    event = shown.event
    texts = (
        shown.workspace or "",
        event.actor,
        event.actor_id,
        event.credential,
        event.address,
        event.action,
        event.target_type,
        event.target,
        event.detail,
        "" if event.hash is None else event.hash.hex(),
    )
    numbers = ("" if event.sequence is None else event.sequence, event.id, event.time, _utc(event.time))
    return *numbers, *(_harmless(text) if isinstance(text, str) else text for text in texts)


def _csv_lines(rows: Sequence[Sequence[Any]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


# What a spreadsheet takes for the beginning of a formula; some take the wide forms for the same.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def _harmless(text: str) -> str:
    """A cell that no spreadsheet computes: an apostrophe makes a text of what would be a formula."""
    bare = text.lstrip()
    return f"'{text}" if bare.startswith(_FORMULA) or text[:1] in ("\t", "\r", "\n") else text


def _utc(time: int) -> str:
    try:
        return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


_FORMATS = {"jsonl": ("application/jsonl", _json_lines), "csv": ("text/csv", _csv)}
