"""What the gate alone costs: processor time of this process, which others on the machine hardly change."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.auth_data import Shared, Size, make_shared
from runyard.server.auth import Permission, Principal
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.entry import Entry
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.passwords import Passwords
from runyard.server.db.database import Database, open_dialect
from runyard.server.tracking.service import WorkspaceContents
from runyard.server.workspaces.service import Directory, Usage, Workspaces, find_names

_KEPT, _ANEW = 20_000, 200


@dataclass(frozen=True)
class GateCost:
    """Microseconds of the processor for one request.

    Attributes:
        kept: of a token that was looked up less than five seconds ago.
        anew: of one that wasn't.
        anew_with_rules: the same, for the user who has most of the rules.
    """

    kept: float
    anew: float
    anew_with_rules: float


def gate_cost(size: Size, progress: Callable[[str], None]) -> GateCost:
    """The gate's costs on SQLite with so many users, workspaces and rules."""
    with tempfile.TemporaryDirectory(prefix="bench-gate-") as folder:
        dialect = open_dialect(f"sqlite:///{Path(folder) / 'runyard.db'}")
        shared = make_shared(dialect, size, progress)
        database, passwords = Database(dialect), Passwords()
        database.start()
        try:
            return asyncio.run(_measured(database, passwords, shared))
        finally:
            passwords.close()
            database.close()


async def _measured(database: Database, passwords: Passwords, shared: Shared) -> GateCost:
    await Workspaces(database, WorkspaceContents(), Usage(database), lambda: None).ensure_default()
    gate = Gate(database, Entry(Directory().find, find_names), passwords, SessionCookie())
    await gate.look()
    first, last = (_scope(shared.tokens[at]) for at in (0, -1))
    anew_with_rules = await _anew(gate, first)
    anew = await _anew(gate, last)
    begin = time.process_time()
    for _ in range(_KEPT):
        gate(last, Permission.RUN_WRITE, "default")
    return GateCost(1e6 * (time.process_time() - begin) / _KEPT, anew, anew_with_rules)


async def _anew(gate: Gate, scope: dict[str, Any]) -> float:
    await _ask(gate, scope)  # its first use is noted, a write of its own
    begin = time.process_time()
    for _ in range(_ANEW):
        gate.forget()
        await gate.look()
        await _ask(gate, scope)
    return 1e6 * (time.process_time() - begin) / _ANEW


async def _ask(gate: Gate, scope: dict[str, Any]) -> None:
    found = gate(scope, Permission.RUN_WRITE, "default")
    if not isinstance(found, Principal):
        await found


def _scope(header: str) -> dict[str, Any]:
    """A request as MLflow's client sends it."""
    name, value = header.split(": ", 1)
    sent = {"host": "127.0.0.1:5000", "user-agent": "mlflow-python-client/3.17.2", "accept": "*/*"}
    sent |= {"connection": "keep-alive", name.lower(): value, "content-type": "application/json"}
    headers = [(key.encode(), text.encode()) for key, text in sent.items()]
    return {"headers": headers, "client": ("127.0.0.1", 50_000)}
