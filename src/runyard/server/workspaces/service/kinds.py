"""What the trash knows of the things in it: each kind of thing says the rest through `TrashKind`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, NamedTuple, Protocol

import msgspec

from runyard.server.auth import Permission, Place, Principal
from runyard.server.auth.types import IdentityKind
from runyard.server.db import Connection, Transaction

KindName = Literal["workspace", "experiment", "run", "model", "artifact"] | IdentityKind

GoOn = Callable[[], Awaitable[None]]
"""Called between the slices of long work; raises `Stopped` when it is to end here, to be gone on with."""


class Stopped(Exception):
    """Work in slices ends early: the server stops, or another process has taken over."""


class TrashEntry(msgspec.Struct, frozen=True):
    """Something that lies in the trash.

    Attributes:
        kind: what it is.
        key: the surrogate key; it never leaves the server.
        id: the public id.
        name: what it is called.
        workspace_id: where; 0 for the server.
        place: the experiment that it is, or belongs to; None for what is the server's matter.
        deleted_time: when it was deleted, in milliseconds since the epoch.
    """

    kind: KindName
    key: int
    id: str
    name: str
    workspace_id: int
    place: Place | None
    deleted_time: int


class TrashSize(msgspec.Struct, frozen=True):
    """How much something in the trash takes; None where that would take long to find out.

    Attributes:
        runs: the runs in it; 1 for a run, 0 for a model or a file.
        points: points of metrics.
        artifact_files: files here; those that clients keep elsewhere don't count.
        artifact_bytes: their size.
    """

    runs: int | None
    points: int | None
    artifact_files: int | None
    artifact_bytes: int | None


class TrashPosition(msgspec.Struct, frozen=True):
    """Where a page begins: behind this time and key, the newest first."""

    time: int
    key: int


class Item(msgspec.Struct, frozen=True):
    """Names something in the trash."""

    kind: KindName
    id: str


class Filter(msgspec.Struct, frozen=True):
    """Which entries: of some kinds, of one experiment, deleted before a time."""

    kinds: Sequence[KindName] = ()
    experiment: int | None = None
    before: int | None = None


class TrashKind(Protocol):
    """A kind of thing that can be deleted, restored and purged.

    Attributes:
        name: the kind's name.
        see, restore_with, purge_with: the permissions that an entry needs at its place.
    """

    @property
    def name(self) -> KindName: ...
    @property
    def see(self) -> Permission: ...
    @property
    def restore_with(self) -> Permission: ...
    @property
    def purge_with(self) -> Permission: ...

    def page(
        self,
        connection: Connection,
        principal: Principal,
        *,
        experiment: int | None,
        behind: TrashPosition,
        limit: int,
    ) -> list[TrashEntry]:
        """What of a principal's workspace lies in the trash, newest first, whether it may see it or not.

        Args:
            connection: a snapshot.
            principal: who asks.
            experiment: only what belongs to this one, or is it.
            behind: where the page begins.
            limit: how many.
        """

    def lock(self, tx: Transaction, principal: Principal, ids: Sequence[str]) -> list[TrashEntry]:
        """Those of a principal's workspace's things that lie in the trash.

        Nobody else changes them until the transaction ends.
        """

    def expired(self, connection: Connection, before: int, limit: int) -> list[TrashEntry]:
        """Some of what was deleted before a time, anywhere."""

    def restore(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Bring entries back."""

    def mark(self, tx: Transaction, entries: Sequence[TrashEntry], now: int) -> None:
        """Let entries be seen no more, and their names be free; they are destroyed afterwards.

        Those that were restored meanwhile stay as they are.
        """

    async def size(self, entries: Sequence[TrashEntry], deadline: float) -> list[TrashSize]:
        """How much each entry takes; what isn't known at the deadline (of `clock.monotonic`) is left out."""


class Left(NamedTuple):
    """What of the marked things couldn't be destroyed yet.

    Attributes:
        later: when those can go that are too young; None without any.
        failed: whether something went wrong with others, so that they are to be tried again.
    """

    later: int | None = None
    failed: bool = False


Destroy = Callable[[int, GoOn], Awaitable[Left]]
"""Destroys what is marked, at a time, in slices."""

Around = Callable[[Principal, Sequence[Item]], AbstractAsyncContextManager[None]]
"""Around the transaction that restores: what can't be done in one, such as moving files.

Raises before it, when something can't come back.
"""
