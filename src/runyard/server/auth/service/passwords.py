"""Passwords: argon2id, tried only so often, and always at the same cost.

A verified pair of name and password is remembered for a minute by a hash that is keyed with a secret of
this process, since clients send it with every request.

Nobody is locked out by others: a name that has signed in from an address goes on to do so from there,
however often somebody fails with it elsewhere.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from runyard.server.auth.rules import Attempts
from runyard.server.kernel import clock
from runyard.server.kernel.addresses import neighbourhood
from runyard.server.kernel.errors import InvalidArgument, LimitExceeded, Unauthenticated

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 10, 1024
REMEMBERED_SECONDS = 60.0
MAX_REMEMBERED = 4096
# Per name and address, per address, and per name from all addresses together; a minute each.
TRIES_OF_PAIR, TRIES_OF_ADDRESS, TRIES_OF_NAME = 10, 60, 120
# Pairs of a name and an address that have signed in.
MAX_KNOWN = 10_000
# At work at a time, 19 MiB of memory each; and how many of those whom nobody knows may wait for them.
THREADS, MAX_WAITING = 2, 50
# Of a password that nobody has. It is verified where there is no other, so that this takes as long.
NOBODYS = "$argon2id$v=19$m=19456,t=2,p=1$fqfqbDaTfsQn79UJWVTLww$WaGybxzBStRKBJcD9uAWFEW1oJ8mbHzct4WYmvwNzrY"


class Failed(Protocol):
    """Told of a sign-in that failed; `limited`: the password wasn't even looked at."""

    def __call__(self, name: str, address: str, *, limited: bool) -> None: ...


class Passwords:
    """Hashes and verifies passwords.

    Args:
        failed: told of every sign-in that fails.
    """

    def __init__(self, failed: Failed | None = None) -> None:
        self._failed = failed
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="runyard-password")
        self._attempts = Attempts(60.0)
        self._known: dict[_Pair, None] = {}
        self._at_work: dict[_Asked, asyncio.Future[bool]] = {}
        self._verified: dict[bytes, tuple[float, str]] = {}

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

        Whoever asks the same while that is being found out, as the parts of one program do, waits along.

        Raises:
            LimitExceeded: too many tries failed lately.
        """
        asked = (name, password, stored)
        work = self._at_work.get(asked)
        if work is None:
            self._admit(name, address)
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._threads, _verify, password, stored)
            self._at_work[asked] = work
            work.add_done_callback(lambda done: self._end(asked, address, done))
        return await asyncio.shield(work)

    def remembered(self, digest: bytes, stored: str | None) -> bool:
        """Whether this pair was verified lately against what is stored now."""
        found = self._verified.get(digest)
        return found is not None and found[0] > clock.monotonic() and found[1] == stored

    def remember(self, digest: bytes, stored: str) -> None:
        """Note that this pair was verified."""
        if len(self._verified) >= MAX_REMEMBERED:
            self._verified.clear()
        self._verified[digest] = (clock.monotonic() + REMEMBERED_SECONDS, stored)

    def _admit(self, name: str, address: str) -> None:
        """Count a try, before the work, so that tries at the same moment count too.

        Raises:
            LimitExceeded: there were too many.
        """
        now, keys = clock.monotonic(), _keys(name, address)
        known = keys[0] in self._known
        limits = (TRIES_OF_PAIR,) if known else (TRIES_OF_PAIR, TRIES_OF_ADDRESS, TRIES_OF_NAME)
        wait = max(self._attempts.wait(key, most, now) for key, most in zip(keys, limits, strict=False))
        if not wait and not known and len(self._at_work) >= MAX_WAITING:
            wait = 1.0
        if wait:
            self._tell(name, address, limited=True)
            seconds = int(wait) + 1
            raise LimitExceeded(f"Too many failed sign-ins; try again in {seconds} seconds.", wait=seconds)
        for key in keys:
            self._attempts.note(key, now)

    def _end(self, asked: _Asked, address: str, done: asyncio.Future[bool]) -> None:
        del self._at_work[asked]
        if done.cancelled() or done.exception() is not None:
            return
        if not done.result():
            self._tell(asked[0], address, limited=False)
            return
        pair, *others = _keys(asked[0], address)
        self._attempts.forget(pair)
        for key in others:
            self._attempts.take_back(key)
        self._known.pop(pair, None)
        if len(self._known) >= MAX_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[pair] = None

    def _tell(self, name: str, address: str, *, limited: bool) -> None:
        if self._failed is not None:
            self._failed(name, address, limited=limited)


# A name and a place, either of them empty; a name, a password and what is stored.
_Pair = tuple[str, str]
_Asked = tuple[str, str, str | None]


def _keys(name: str, address: str) -> tuple[_Pair, _Pair, _Pair]:
    """What a try is counted under: the pair, the place, the name."""
    place = neighbourhood(address)
    return (name, place), ("", place), (name, "")


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


def _verify(password: str, stored: str | None) -> bool:
    if stored is None:
        matches(NOBODYS, password)
        return False
    return matches(stored, password)


def wrong() -> Unauthenticated:
    """The one error for a name that doesn't exist and for a password that is wrong."""
    return Unauthenticated("The name or the password is wrong.")


def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
