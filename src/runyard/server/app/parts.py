"""The services, made once, and how they are opened and closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from runyard.server.artifacts import BlobStore, MultipartUploads, open_store
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.entry import Entry
from runyard.server.auth.service.failures import SignInFailures
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.login_codes import LoginCodes
from runyard.server.auth.service.passwords import Passwords
from runyard.server.auth.service.tokens import Tokens
from runyard.server.db.database import Database, open_dialect
from runyard.server.db.migrate import upgrade
from runyard.server.events import Sealer
from runyard.server.kernel import clock, ids
from runyard.server.kernel.addresses import is_loopback
from runyard.server.metrics.compaction import Compactor
from runyard.server.settings import Settings
from runyard.server.tracking.service import (
    DeletedFiles,
    Destroyer,
    Keys,
    SummaryRows,
    WorkspaceContents,
    count_experiments,
    find_for_token,
    tracked_kinds,
)
from runyard.server.web.traffic import GroupTraffic, Traffic
from runyard.server.workspaces.service import (
    DeletedWorkspaces,
    Directory,
    Purger,
    Recount,
    Room,
    Trash,
    TrashContents,
    Usage,
    Workspaces,
    default_experiments,
    find_names,
    identity_kinds,
)

log = logging.getLogger("runyard.app")


@dataclass(frozen=True, slots=True)
class Parts:
    """The services, made once; each takes what it needs."""

    settings: Settings
    database: Database
    blobs: BlobStore
    keys: Keys
    traffic: Traffic
    groups: GroupTraffic
    passwords: Passwords
    cookie: SessionCookie
    gate: Gate
    tokens: Tokens
    login_codes: LoginCodes
    directory: Directory
    workspaces: Workspaces
    usage: Usage
    room: Room
    recount: Recount
    compactor: Compactor
    sealer: Sealer
    deleted_files: DeletedFiles
    purger: Purger
    trash: Trash


def make_parts(settings: Settings) -> Parts:
    dialect = open_dialect(settings.database_url, max_bytes=settings.max_database_bytes or None)
    groups, keys = GroupTraffic(), Keys()
    database = Database(dialect, groups.observe)
    blobs = open_store(settings.artifacts_url, max_bytes=settings.max_artifact_bytes or None)
    passwords = Passwords(SignInFailures(database).note)
    cookie = SessionCookie(https=settings.public_url.startswith("https:"))
    directory, contents, usage = Directory(), WorkspaceContents(), Usage(database)
    find = directory.find
    gate = Gate(database, Entry(find, find_names), passwords, cookie, login=not is_loopback(settings.host))
    deleted_files = DeletedFiles(database, blobs, usage, days=settings.trash_days)
    purger, trash = _trash(settings, database, blobs, usage, gate, deleted_files)
    return Parts(
        settings=settings,
        database=database,
        blobs=blobs,
        keys=keys,
        traffic=Traffic(),
        groups=groups,
        passwords=passwords,
        cookie=cookie,
        gate=gate,
        tokens=Tokens(database, find, find_names, partial(find_for_token, keys), gate.forget),
        login_codes=LoginCodes(database),
        directory=directory,
        workspaces=Workspaces(database, contents, usage, gate.forget),
        usage=usage,
        room=Room(database, directory, usage),
        recount=Recount(database, blobs, usage, contents),
        compactor=Compactor(database, SummaryRows(), holder=ids.new_request_id()),
        sealer=Sealer(database, holder=ids.new_request_id()),
        deleted_files=deleted_files,
        purger=purger,
        trash=trash,
    )


def _trash(
    settings: Settings, database: Database, blobs: BlobStore, usage: Usage, gate: Gate, files: DeletedFiles
) -> tuple[Purger, Trash]:
    """What lies in the trash, and how it is destroyed: what is in something goes before it."""
    destroyer = Destroyer(database, blobs, usage, default_experiments)
    workspaces = DeletedWorkspaces(database, usage, destroyer.workspace, count_experiments, gate.forget)
    tracked = tracked_kinds(database, blobs, usage)
    contents = TrashContents([workspaces, *tracked, *identity_kinds(gate.forget)])
    alone = database.dialect.name == "sqlite"
    purger = Purger(
        database,
        list(contents.kinds.values()),
        [destroyer.pending, files.pending, workspaces.pending],
        [
            workspaces.spread,
            files.destroy,
            destroyer.runs,
            destroyer.models,
            destroyer.experiments,
            workspaces.destroy,
        ],
        days=settings.trash_days,
        # Where there is one process only, the next one takes over at once, however this one ends.
        holder="the server" if alone else ids.new_request_id(),
    )
    return purger, Trash(database, contents, purger, files.restoring, days=settings.trash_days)


@asynccontextmanager
async def opened(parts: Parts) -> AsyncIterator[None]:
    """Everything open and at work; closed in the opposite order."""
    database, blobs = parts.database, parts.blobs
    upgrade(database.dialect)
    database.start()
    try:
        await parts.workspaces.ensure_default()
        await parts.gate.look()
        parts.compactor.start()
        parts.sealer.start()
        async with (
            blobs,
            parts.usage,
            parts.recount,
            _repeated(partial(_purge_uploads, blobs)),
            _repeated(parts.tokens.purge),
            _repeated(parts.login_codes.purge),
            _repeated(parts.deleted_files.finish, seconds=60),
            _at_work(parts.purger),
        ):
            yield
    finally:
        try:
            parts.compactor.stop()
            parts.sealer.stop()
        finally:
            parts.passwords.close()
            database.close()


@asynccontextmanager
async def _at_work(purger: Purger) -> AsyncIterator[None]:
    purger.start()
    try:
        yield
    finally:
        await purger.stop()


@asynccontextmanager
async def _repeated(work: Callable[[], Awaitable[None]], *, seconds: float = 3600) -> AsyncIterator[None]:
    """Do something now and then every hour, or so often, until the block ends."""

    async def repeat() -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("housekeeping failed")
            await asyncio.sleep(seconds)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _purge_uploads(blobs: BlobStore) -> None:
    """Drop the parts of uploads that nobody went on with for a week."""
    if isinstance(blobs, MultipartUploads):
        await blobs.purge_stale_uploads(clock.now_ms() - 7 * 24 * 3_600_000)
