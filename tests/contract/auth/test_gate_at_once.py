"""The gate when many ask at once: one look-up, and no right password is taken for many tries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from runyard.server.auth import DEFAULT_WORKSPACE, Permission, Principal
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.entry import Entry
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.passwords import TRIES_OF_PAIR, Passwords
from runyard.server.auth.store import access as store
from runyard.server.db import Connection, Database
from runyard.server.kernel.errors import LimitExceeded, RunyardError, Unauthenticated
from runyard.server.workspaces.service import Directory, find_names
from runyard.server.workspaces.store.workspaces import insert_default
from tests.api.principals import Headers, People, basic

PASSWORD = "a long password"
AT_ONCE = 3 * TRIES_OF_PAIR


@pytest.fixture
def people(database: Database, database_url: str) -> People:
    database.write_from_thread(lambda tx: insert_default(tx, DEFAULT_WORKSPACE, 1))
    return People(database_url)


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


async def answers(database: Database, gate: Gate, headers: Headers, count: int) -> list[str]:
    """What each of so many requests at once is answered: the caller's name, or the error's."""

    async def ask() -> str:
        sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        scope: dict[str, Any] = {"headers": sent, "client": ("10.0.0.1", 1)}
        try:
            found = gate(scope, Permission.RUN_READ, "default")
            return (found if isinstance(found, Principal) else await found).name
        except RunyardError as error:
            return type(error).__name__

    await gate.look()
    found = await asyncio.gather(*(ask() for _ in range(count)))
    await database.write(lambda tx: None)  # behind the notes of the tokens' use
    return found


def test_a_right_password_at_once_is_one_try(
    database: Database, people: People, passwords: Passwords
) -> None:
    ann = people.user("ann", password=PASSWORD)
    people.role(ann, "Reader")
    gate = Gate(database, Entry(Directory().find, find_names), passwords, SessionCookie())
    found = asyncio.run(answers(database, gate, basic("ann", PASSWORD), AT_ONCE))
    assert found == ["ann"] * AT_ONCE


def test_wrong_passwords_are_still_counted(database: Database, people: People, passwords: Passwords) -> None:
    people.user("ann", password=PASSWORD)
    gate = Gate(database, Entry(Directory().find, find_names), passwords, SessionCookie())

    async def guess() -> list[str]:
        found = [
            await answers(database, gate, basic("ann", f"guess number {i}"), 1)
            for i in range(TRIES_OF_PAIR + 2)
        ]
        return [one for (one,) in found]

    assert asyncio.run(guess()) == [
        *[Unauthenticated.__name__] * TRIES_OF_PAIR,
        *[LimitExceeded.__name__] * 2,
    ]


def test_one_token_at_once_is_looked_up_once(
    database: Database, people: People, passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    ann = people.user("ann")
    people.role(ann, "Reader")
    looked = 0
    find = store.find_token

    def counted(connection: Connection, digest: bytes) -> Any:
        nonlocal looked
        looked += 1
        return find(connection, digest)

    monkeypatch.setattr(store, "find_token", counted)
    gate = Gate(database, Entry(Directory().find, find_names), passwords, SessionCookie())
    # When
    found = asyncio.run(answers(database, gate, people.token(ann), AT_ONCE))
    # Then
    assert found == ["ann"] * AT_ONCE
    assert looked == 1


def test_a_wrong_token_at_once_is_told_to_all(
    database: Database, people: People, passwords: Passwords
) -> None:
    people.user("ann")
    gate = Gate(database, Entry(Directory().find, find_names), passwords, SessionCookie())
    wrong = {"Authorization": "Bearer ryp_wrong"}
    assert asyncio.run(answers(database, gate, wrong, AT_ONCE)) == [Unauthenticated.__name__] * AT_ONCE
