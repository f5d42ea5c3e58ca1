"""What the gate keeps, and what it doesn't."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from runyard.server.auth import Permission, Principal, WorkspaceRef
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.entry import Entry
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.passwords import Passwords
from runyard.server.db import Connection, Database
from runyard.server.workspaces.service import find_names
from tests.api.auth.team import populate

READ = Permission.EXPERIMENT_READ
WORKSPACE = WorkspaceRef(1, "default", 0)


class Watched:
    """A gate, and how often it looked something up; `forget` makes it forget during a look-up."""

    def __init__(self, database: Database, passwords: Passwords) -> None:
        self.gate = Gate(database, Entry(self._find, find_names), passwords, SessionCookie())
        self.looked = 0
        self.forget = False

    def _find(self, connection: Connection, name: str) -> WorkspaceRef | None:
        del connection
        self.looked += 1
        if self.forget:
            self.gate.forget()
        return WORKSPACE if name == WORKSPACE.name else None

    async def enter(self, token: str) -> Principal:
        """Ask for whoever has a token."""
        scope = {"headers": [(b"authorization", f"Bearer {token}".encode())], "client": ("10.0.0.1", 1)}
        found = self.gate(scope, READ, WORKSPACE.name)
        return await found if isinstance(found, Coroutine) else found  # type: ignore[return-value]


@pytest.fixture
def watched(database: Database) -> Iterator[Watched]:
    """A gate on both databases."""
    passwords = Passwords()
    yield Watched(database, passwords)
    passwords.close()


async def _settle(database: Database) -> None:
    """Until the uses of tokens are noted, which nobody waits for."""
    await asyncio.sleep(0)
    await database.write(lambda _: None)


def test_what_was_looked_up_is_kept_until_it_is_forgotten(database: Database, watched: Watched) -> None:
    secrets = populate(database)

    async def use() -> list[int]:
        await watched.gate.look()
        counts = []
        for step in ("look", "kept", "forget", "kept"):
            if step == "forget":
                watched.gate.forget()
            principal = await watched.enter(secrets["reader"])
            assert (principal.name, principal.address) == ("reader", "10.0.0.1")
            counts.append(watched.looked)
        await _settle(database)
        return counts

    assert asyncio.run(use()) == [1, 1, 2, 2]


def test_what_is_forgotten_during_a_look_up_is_not_kept(database: Database, watched: Watched) -> None:
    """A change that commits between the look-up and its end must not stay unseen for seconds."""
    secrets = populate(database)

    async def use() -> list[int]:
        await watched.gate.look()
        counts: list[Any] = []
        for forget in (True, False, False):
            watched.forget = forget
            await watched.enter(secrets["reader"])
            counts.append(watched.looked)
        await _settle(database)
        return counts

    assert asyncio.run(use()) == [1, 2, 2]
