from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from runyard.server.auth.service import passwords
from runyard.server.auth.service.passwords import NOBODYS, Passwords, hashed
from runyard.server.kernel.errors import InvalidArgument, LimitExceeded

STORED = hashed("correct horse")


@pytest.fixture
def service() -> Iterator[Passwords]:
    made = Passwords()
    yield made
    made.close()


def test_nobodys_password_costs_what_others_do() -> None:
    ours = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    assert not ours.check_needs_rehash(NOBODYS)
    assert not ours.check_needs_rehash(STORED)


def test_each_hash_has_a_salt_of_its_own() -> None:
    assert hashed("correct horse") != STORED
    assert passwords.matches(STORED, "correct horse")
    assert not passwords.matches("no hash at all", "correct horse")


@pytest.mark.parametrize("password", ["short", "x" * 1025])
def test_what_is_no_password_is_refused(service: Passwords, password: str) -> None:
    with pytest.raises(InvalidArgument, match="10 to 1024 characters"):
        asyncio.run(service.hash(password))


def test_failures_are_told() -> None:
    told: list[tuple[str, str, bool]] = []
    service = Passwords(lambda name, address, *, limited: told.append((name, address, limited)))

    async def try_often() -> None:
        assert await service.verify("ann", "correct horse", STORED, "192.0.2.1")
        for _ in range(10):
            assert not await service.verify("ann", "wrong", STORED, "192.0.2.1")
        with pytest.raises(LimitExceeded):
            await service.verify("ann", "wrong", STORED, "192.0.2.1")

    asyncio.run(try_often())
    service.close()
    assert told == [("ann", "192.0.2.1", False)] * 10 + [("ann", "192.0.2.1", True)]


def test_a_verified_pair_is_remembered_for_what_is_stored(service: Passwords) -> None:
    service.remember(b"pair", STORED)
    assert service.remembered(b"pair", STORED)
    assert not service.remembered(b"pair", "another hash")
    assert not service.remembered(b"another pair", STORED)


def test_what_is_remembered_is_bounded(service: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "MAX_KNOWN", 3)
    monkeypatch.setattr(passwords, "matches", lambda stored, password: True)

    async def arrive() -> None:
        for i in range(10):
            assert await service.verify(f"user {i}", "right", STORED, "192.0.2.1")

    asyncio.run(arrive())
    assert len(service._known) == 3
    for i in range(passwords.MAX_REMEMBERED + 10):
        service.remember(str(i).encode(), STORED)
    assert len(service._verified) <= passwords.MAX_REMEMBERED
    assert service._at_work == {}
