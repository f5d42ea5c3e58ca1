"""What every request needs to know of its workspace: which one it is, and its quotas."""

from __future__ import annotations

from runyard.server.auth import WorkspaceRef
from runyard.server.db import Connection
from runyard.server.workspaces.store import workspaces as store
from runyard.server.workspaces.types import Quotas

_DEFAULTS = Quotas()


class Directory:
    """Finds workspaces by their names, for the gate, and remembers their quotas.

    Whoever comes through the gate has its workspace looked up here every few seconds, so that what is
    remembered is as old as what the gate remembers: in the process that changes a quota nothing, in
    others seconds.
    """

    def __init__(self) -> None:
        self._quotas: dict[int, Quotas] = {}
        self.rates: dict[int, int] = {}
        """Requests per second, of those workspaces that have a limit."""

    def find(self, connection: Connection, name: str) -> WorkspaceRef | None:
        """The workspace of a name, in any state."""
        found = store.find_ref(connection, name)
        if found is None:
            return None
        ref, quotas = found
        self._quotas[ref.id] = quotas
        if quotas.requests_per_second is not None:
            self.rates[ref.id] = quotas.requests_per_second
        else:
            self.rates.pop(ref.id, None)
        return ref

    def quotas(self, workspace_id: int) -> Quotas:
        """The quotas of a workspace that somebody has come to."""
        return self._quotas.get(workspace_id, _DEFAULTS)
