"""Passwords: argon2id, tried only so often, and always at the same cost.

A verified pair of name and password is remembered for a minute by a hash that is keyed with a secret of
this process, since clients send it with every request.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from runyard.server.auth.rules import Attempts
from runyard.server.kernel import clock
from runyard.server.kernel.errors import InvalidArgument, LimitExceeded, Unauthenticated

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 10, 1024
REMEMBERED_SECONDS = 60.0
MAX_REMEMBERED = 4096
# Per name and address, per address, and per name from all addresses together; a minute each.
TRIES_OF_PAIR, TRIES_OF_ADDRESS, TRIES_OF_NAME = 10, 60, 120
# At work at a time, 19 MiB of memory each.
THREADS = 2


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="runyard-password")
        self._attempts = Attempts(60.0)
        self._verified: dict[bytes, tuple[float, str]] = {}
        self._dummy: str | None = None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=True)

    async def hash(self, password: str) -> str:
        """What is stored of a password.

        Raises:
            InvalidArgument: it is too short or too long.
        """
        check(password)
        return await asyncio.get_running_loop().run_in_executor(self._threads, hashed, password)

    async def verify(self, name: str, password: str, stored: str | None, address: str) -> bool:
        """Whether a password is the one that was stored; with None for nobody's, at the same cost.

        Raises:
            LimitExceeded: too many tries failed lately.
        """
        tries = (
            (f"{name}|{address}", TRIES_OF_PAIR),
            (f"|{address}", TRIES_OF_ADDRESS),
            (name, TRIES_OF_NAME),
        )
        now = clock.monotonic()
        for key, most in tries:
            wait = self._attempts.wait(key, most, now)
            if wait:
                raise LimitExceeded(
                    f"Too many failed sign-ins; try again in {int(wait) + 1} seconds.",
                )
        # Noted before the work, so that tries at the same moment count too.
        for key, _ in tries:
            self._attempts.note(key, now)
        right = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._verify, password, stored
        )
        if right:
            self._attempts.forget(tries[0][0])
            for key, _ in tries[1:]:
                self._attempts.take_back(key)
        return right

    def remembered(self, digest: bytes, stored: str | None) -> bool:
        """Whether this pair was verified lately against what is stored now."""
        found = self._verified.get(digest)
        return found is not None and found[0] > clock.monotonic() and found[1] == stored

    def remember(self, digest: bytes, stored: str) -> None:
        """Note that this pair was verified."""
        if len(self._verified) >= MAX_REMEMBERED:
            self._verified.clear()
        self._verified[digest] = (clock.monotonic() + REMEMBERED_SECONDS, stored)

    def _verify(self, password: str, stored: str | None) -> bool:
        if stored is None:
            if self._dummy is None:
                self._dummy = hashed("nobody's password")
            matches(self._dummy, password)
            return False
        return matches(stored, password)


def check(password: str) -> None:
    """Refuse what is no good password.

    Raises:
        InvalidArgument: it is too short or too long.
    """
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidArgument(
            f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters; this one has {len(password)}.",
            field="password",
        )


def hashed(password: str) -> str:
    """argon2id with the parameters that OWASP recommends (19 MiB, 2 passes)."""
    return _hasher().hash(password)


def matches(stored: str, password: str) -> bool:
    """Whether the password is the one that was stored."""
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def wrong() -> Unauthenticated:
    """The one error for a name that doesn't exist and for a password that is wrong."""
    return Unauthenticated("The name or the password is wrong.")


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
