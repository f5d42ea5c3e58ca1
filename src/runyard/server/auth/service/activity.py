"""The activity log: noting who did what, in the transaction of the change, and reading it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from runyard.server import events
from runyard.server.auth.permissions import Permission
from runyard.server.auth.service.policy import require
from runyard.server.auth.types import Principal
from runyard.server.db import Connection, Database, OutOfTime, Transaction
from runyard.server.db.sorting import invalid_position, is_value
from runyard.server.kernel import clock
from runyard.server.kernel.errors import InvalidArgument, NotFound, PermissionDenied
from runyard.server.kernel.paging import decode_token, encode_token

# The workspaces' names by their ids, those of deleted ones too.
Names = Callable[[Connection], Mapping[int, str]]

EVERYWHERE = "*"
MAX_SECONDS = 30
"""How long reading a page may take."""
EXPORT_SLICE = 500
# Readers of the log at a time: most of the threads stay free for whoever doesn't search.
_TURNS = 2


def note(
    tx: Transaction,
    principal: Principal,
    action: str,
    target_type: str,
    target: object,
    *,
    workspace_id: int | None = None,
    **detail: Any,
) -> None:
    """Append an event to the log of the principal's workspace, or of another one; 0 is the server's.

    Args:
        tx: the change's transaction.
        principal: who does it.
        action: what, such as `experiment.delete`.
        target_type: to what kind of thing.
        target: to which.
        workspace_id: where, if not in the principal's workspace.
        detail: what else is known; plain JSON values, no secrets.
    """
    events.append(
        tx,
        [
            events.Event(
                time=clock.now_ms(),
                workspace_id=principal.workspace.id if workspace_id is None else workspace_id,
                actor_id=principal.identity.id,
                actor=principal.identity.name,
                credential=principal.credential,
                address=principal.address,
                action=action,
                target_type=target_type,
                target=str(target),
                detail=detail,
            )
        ],
    )


class Asked(NamedTuple):
    """Which events somebody asks for.

    Attributes:
        workspace: empty for the chosen one, `*` for all and the server itself, or a name.
        filter: what else; its workspace isn't set.
    """

    workspace: str
    filter: events.Filter


class Shown(NamedTuple):
    """An event with the name of its workspace; None for the server, and for one that is gone."""

    event: events.StoredEvent
    workspace: str | None


class ActivityPage(NamedTuple):
    """Some events, and where the next ones begin."""

    items: Sequence[Shown]
    next_token: str | None


class Activity:
    """Reads, exports and verifies the log.

    Args:
        database: where it is.
        names: the workspaces' names.
    """

    def __init__(self, database: Database, names: Names) -> None:
        self._database = database
        self._names = names
        self._turns = asyncio.Semaphore(_TURNS)

    async def page(self, principal: Principal, asked: Asked, limit: int, token: str | None) -> ActivityPage:
        """A page of events, the newest first.

        Raises:
            PermissionDenied: it is about other workspaces than the chosen one, for somebody who doesn't
                administer the server.
            NotFound: there is no such workspace.
            InvalidArgument: the token is none of this search, or the search took too long.
        """
        kind = f"activity {crc32(repr(asked).encode()):x}"
        position = None if token is None else _position(decode_token(kind, token))
        wanted, names = await self._resolved(principal, asked)
        found = await self._find(wanted, position, limit + 1, newest_first=True)
        more = len(found) > limit
        return ActivityPage(
            _shown(found[:limit], names),
            encode_token(kind, [found[limit - 1].time, found[limit - 1].id]) if more else None,
        )

    async def export(self, principal: Principal, asked: Asked) -> AsyncGenerator[Sequence[Shown], None]:
        """All events up to now, the oldest first, in slices; between them nothing is held open.

        Raises: as `page`; nothing of it once the slices come.
        """
        wanted, names = await self._resolved(principal, asked)
        # Else it might never end: what is exported meanwhile may be noted too.
        until = clock.now_ms() + 1 if wanted.until is None else wanted.until
        bounded = msgspec.structs.replace(wanted, until=until)
        first = await self._find(bounded, None, EXPORT_SLICE, newest_first=False)
        return self._slices(bounded, names, first)

    async def state(self) -> events.State:
        """How far the log is sealed."""
        return await self._database.read_point(events.state)

    async def verify(self, after: str, noted: str, limit: int) -> events.Verification:
        """Verify some of the log.

        Args:
            after: the head to begin after; empty for the beginning.
            noted: a head that somebody wrote down; empty for none.
            limit: how many events, about.

        Raises:
            InvalidArgument: a head can't be read.
        """
        begin = events.parse_head(after, "after") if after else events.ORIGIN
        head = events.parse_head(noted, "head") if noted else None
        checked = 0
        while True:
            async with self._turns:
                done = await self._database.read(partial(events.verify_slice, after=begin, noted=head))
            checked += done.checked
            if done.complete or done.found is not None or checked >= limit:
                return msgspec.structs.replace(done, checked=checked)
            begin = done.verified

    async def _slices(
        self, wanted: events.Filter, names: Mapping[int, str], first: list[events.StoredEvent]
    ) -> AsyncGenerator[Sequence[Shown], None]:
        found = first
        while found:
            yield _shown(found, names)
            if len(found) < EXPORT_SLICE:
                return
            position = events.Position(found[-1].time, found[-1].id)
            found = await self._find(wanted, position, EXPORT_SLICE, newest_first=False)

    async def _resolved(self, principal: Principal, asked: Asked) -> tuple[events.Filter, Mapping[int, str]]:
        """The whole filter, and the names of the workspaces that it may find."""
        chosen = principal.workspace
        if asked.workspace in ("", chosen.name):
            require(principal, Permission.ACTIVITY_READ)
            if principal.access.kept_out:
                raise PermissionDenied(
                    "The activity log tells of every folder of the workspace, and rules keep you out of "
                    "some. Ask an owner for what you need to know."
                )
            return msgspec.structs.replace(asked.filter, workspace_id=chosen.id), {chosen.id: chosen.name}
        require(principal, Permission.SERVER_ACTIVITY_READ)
        names = await self._database.read_point(self._names)
        if asked.workspace == EVERYWHERE:
            return asked.filter, names
        for key, name in names.items():
            if name == asked.workspace:
                return msgspec.structs.replace(asked.filter, workspace_id=key), names
        raise NotFound(f"There is no workspace '{asked.workspace[:100]}'.", field="workspace")

    async def _find(
        self, wanted: events.Filter, position: events.Position | None, limit: int, *, newest_first: bool
    ) -> list[events.StoredEvent]:
        def read(connection: Connection) -> list[events.StoredEvent]:
            try:
                with connection.searching(MAX_SECONDS):
                    return events.find(
                        connection, wanted, position=position, limit=limit, newest_first=newest_first
                    )
            except OutOfTime as error:
                raise InvalidArgument(
                    f"Reading the activity log took longer than {MAX_SECONDS} seconds and was stopped. Ask "
                    "for a range of time (since, until), an actor or a target.",
                ) from error

        async with self._turns:
            return await self._database.read(read)


def _shown(found: Sequence[events.StoredEvent], names: Mapping[int, str]) -> list[Shown]:
    return [Shown(event, names.get(event.workspace_id)) for event in found]


def _position(packed: Sequence[Any]) -> events.Position:
    if len(packed) != 2 or not all(is_value(value, int) for value in packed):
        raise invalid_position()
    return events.Position(*packed)
