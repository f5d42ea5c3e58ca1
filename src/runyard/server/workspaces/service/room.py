"""Whether there is room for what a request brings, before it is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from runyard.server.auth import WorkspaceRef
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock
from runyard.server.workspaces import rules
from runyard.server.workspaces.service.directory import Directory
from runyard.server.workspaces.service.tally import Tally
from runyard.server.workspaces.service.upload import Bound, Home, Upload
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.types import Scope, Sums

# As long as uploads are kept that nobody goes on with.
_PARTS_SECONDS = 7 * 86_400.0
_MAX_TIGHT = 10_000


class Room:
    """The quotas, and what is used of them.

    Args:
        database: where the sums are stored.
        directory: knows the quotas.
        usage: knows the sums.
    """

    def __init__(self, database: Database, directory: Directory, usage: Usage) -> None:
        self._database = database
        self._usage = usage
        self._buckets: dict[int, rules.Bucket] = {}
        # By upload since when, and its parts.
        self._parts: dict[str, tuple[float, list[Upload]]] = {}
        self._rates = directory.rates
        self.quotas = directory.quotas
        # Runs that have reached their quota of points, at some time.
        self.tight: set[int] = set()

    def pass_one(self, workspace: WorkspaceRef) -> None:
        """Let one request to a workspace pass.

        Raises:
            LimitExceeded: this process has let as many pass as may, this second.
        """
        rate = self._rates.get(workspace.id)
        if rate is None:
            return
        now = clock.monotonic()
        bucket = self._buckets.get(workspace.id)
        if bucket is None or bucket.rate != rate:
            bucket = self._buckets[workspace.id] = rules.Bucket(rate, now)
        if not bucket.take(now):
            raise rules.too_often(workspace.name, rate)

    def note_tight(self, runs: Iterable[int]) -> None:
        """Remember runs whose points are to be read before more are logged."""
        if len(self.tight) >= _MAX_TIGHT:
            self.tight.clear()
        self.tight.update(runs)

    def used(self, connection: Connection, scope: Scope, one: int) -> Sums:
        """What an experiment or a run holds; of a run its files only."""
        return self._usage.total(connection, (scope, one))

    def tally(self, tx: Transaction) -> Tally:
        """Counts what one transaction adds to experiments and workspaces."""
        return Tally(tx, self._usage)

    @asynccontextmanager
    async def upload(self, home: Home, *, replaced: int | None, size: int | None) -> AsyncIterator[Upload]:
        """Keep room for a file on its way; the room of one that wasn't `stored` is given back.

        Args:
            home: whose it is.
            replaced: the size of the file whose place it seems to take; None for a new one.
            size: its own size, where it is known.

        Raises:
            QuotaExceeded: there isn't so much.
        """
        bounds = self._bounds(home)
        if bounds:
            await self._database.read_point(lambda c: self._read(c, bounds))
        upload = Upload(self._usage, home, bounds, replaced)
        try:
            upload.take(size or 0)
            yield upload
        finally:
            upload.let_go()

    def keep_part(self, upload: str, part: Upload) -> None:
        """Keep the room of a part that is stored until its upload ends, or a week has passed.

        Parts are no artifacts yet: without this nothing would limit what uploads leave that never end.
        """
        self._drop_old_parts()
        if part.bounded:
            _, held = self._parts.setdefault(upload, (clock.monotonic(), []))
            held.append(part.moved())

    def forget_parts(self, upload: str) -> None:
        """An upload has ended."""
        for part in self._parts.pop(upload, (0.0, []))[1]:
            part.let_go()

    @contextmanager
    def without_parts(self, upload: str) -> Iterator[None]:
        """Give back the room of an upload's parts for what they are joined to; keep it if that fails."""
        since, held = self._parts.pop(upload, (0.0, []))
        sizes = [part.let_go() for part in held]
        try:
            yield
        except BaseException:
            for part, size in zip(held, sizes, strict=True):
                part.hold(size)
            if held:
                self._parts[upload] = (since, held)
            raise

    def _drop_old_parts(self) -> None:
        oldest = clock.monotonic() - _PARTS_SECONDS
        while self._parts:
            upload, (since, _) = next(iter(self._parts.items()))
            if since >= oldest:
                return
            self.forget_parts(upload)

    def freed(self, home: Home, files: int, size: int) -> None:
        """Note that files were deleted."""
        if files:
            gone = Sums(size=-size, files=-files)
            self._usage.add(home.workspace.id, home.experiment, gone, run=home.run)

    def _read(self, connection: Connection, bounds: list[Bound]) -> None:
        for bound in bounds:
            self._usage.total(connection, bound.key)

    def _bounds(self, home: Home) -> list[Bound]:
        quotas, workspace, experiment = self.quotas(home.workspace.id), home.workspace, home.experiment
        found = [
            Bound(
                "artifact_bytes_per_experiment",
                quotas.artifact_bytes_per_experiment,
                (Scope.EXPERIMENT, experiment),
                str(experiment),
            ),
            Bound(
                "artifact_bytes_per_workspace",
                quotas.artifact_bytes_per_workspace,
                (Scope.WORKSPACE, workspace.id),
                workspace.name,
            ),
        ]
        if home.run is not None:
            per_run = quotas.artifact_bytes_per_run
            found.insert(0, Bound("artifact_bytes_per_run", per_run, (Scope.RUN, home.run), home.name))
        return [bound for bound in found if bound.limit is not None]
