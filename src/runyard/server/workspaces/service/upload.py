"""The room of one file on its way."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import NamedTuple

from runyard.server.auth import Principal, WorkspaceRef
from runyard.server.workspaces import rules
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.store.usage import Key
from runyard.server.workspaces.types import Sums


class Home(NamedTuple):
    """Whose room a file takes.

    Attributes:
        principal: whose request brings it.
        experiment: its id.
        run: the surrogate key of the run whose it is; None for a logged model's.
        name: what the run is called outside.
    """

    principal: Principal
    experiment: int
    run: int | None = None
    name: str = ""

    @property
    def workspace(self) -> WorkspaceRef:
        """That of the request."""
        return self.principal.workspace


class Bound(NamedTuple):
    """A quota of bytes, and whose it is."""

    quota: str
    limit: int | None
    key: Key
    owner: str


class Upload:
    """Takes room as it is needed.

    Args:
        usage: the sums; those of the bounds have been read.
        home: whose the file is.
        bounds: the quotas that it has to keep.
        replaced: the size of the file whose place it seems to take; None for a new one.
    """

    def __init__(self, usage: Usage, home: Home, bounds: Sequence[Bound], replaced: int | None) -> None:
        self._usage = usage
        self._home = home
        self._bounds = bounds
        self._replaced = replaced
        self._taken = 0

    def take(self, more: int) -> None:
        """Keep room for so many bytes more.

        Raises:
            QuotaExceeded: there isn't so much.
        """
        for bound in self._bounds:
            used = self._usage.last_total(bound.key).size - (self._replaced or 0)
            if bound.limit is not None and used + more > bound.limit:
                raise rules.used_up(
                    bound.quota,
                    self._home.principal,
                    bound.owner,
                    used=max(0, used - self._taken),
                    limit=bound.limit,
                    more=self._taken + more,
                )
        self.hold(more)

    def hold(self, more: int) -> None:
        """Keep it, whether there is room or not."""
        self._usage.hold([bound.key for bound in self._bounds], more)
        self._taken += more

    def let_go(self) -> int:
        """Give back the room that was kept, and tell how much it was; what is stored is counted otherwise."""
        taken = self._taken
        self.hold(-taken)
        return taken

    def moved(self) -> Upload:
        """The same room, kept by another one that lives longer."""
        other = Upload(self._usage, self._home, self._bounds, self._replaced)
        other._taken, self._taken = self._taken, 0
        return other

    @property
    def bounded(self) -> bool:
        """Whether any quota bounds it."""
        return bool(self._bounds)

    def checked(self, chunks: AsyncIterable[bytes]) -> AsyncIterable[bytes]:
        """The file's bytes, as long as there is room for them."""
        return self._checked(chunks) if self._bounds else chunks

    async def _checked(self, chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        come = 0
        async for chunk in chunks:
            come += len(chunk)
            if come > self._taken:
                self.take(come - self._taken)
            yield chunk

    def stored(self, size: int, replaced: int | None) -> None:
        """Count the file, which is there now, and what it really replaced: much may happen on the way."""
        home = self._home
        more = Sums(size=size - (replaced or 0), files=int(replaced is None))
        self._usage.add(home.workspace.id, home.experiment, more, run=home.run)
