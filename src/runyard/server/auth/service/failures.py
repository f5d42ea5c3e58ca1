"""Failed sign-ins, as the activity log gets them: few of many, so that nobody fills it up with them."""

from __future__ import annotations

from runyard.server import events
from runyard.server.auth.rules import Attempts
from runyard.server.db import Database, Transaction
from runyard.server.kernel import clock

WINDOW_SECONDS = 600.0
# Noted in such a window: of one name from one address, and of all together. At half a kilobyte an event,
# an attack that never stops adds 4 MB a day.
OF_PAIR, OF_ALL = 3, 60
MAX_NAME = 100


class SignInFailures:
    """Notes failed sign-ins.

    Args:
        database: where the log is.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pairs = Attempts(WINDOW_SECONDS)
        self._all = Attempts(WINDOW_SECONDS)
        self._left_out = 0

    def note(self, name: str, address: str, *, limited: bool = False) -> None:
        """Note that a sign-in failed, or leave it out and count it; nobody waits for it.

        Args:
            name: the name that was tried, whether or not somebody has it.
            address: where the request came from.
            limited: whether the password wasn't even looked at, since too many tries failed lately.
        """
        now = clock.monotonic()
        pair = f"{name}|{address}"
        if self._pairs.wait(pair, OF_PAIR, now) or self._all.wait("", OF_ALL, now):
            self._left_out += 1
            return
        self._pairs.note(pair, now)
        self._all.note("", now)
        detail: dict[str, object] = {"limited": True} if limited else {}
        if self._left_out:
            detail["left_out"] = self._left_out
            self._left_out = 0
        event = events.Event(
            time=clock.now_ms(),
            workspace_id=0,
            actor_id=-1,
            actor="nobody",
            credential="password",
            address=address,
            action="login.fail",
            target_type="user",
            # It may be anything that somebody sent; PostgreSQL's texts can't hold NUL.
            target=name[:MAX_NAME].replace("\0", "\N{REPLACEMENT CHARACTER}"),
            detail=detail,
        )

        def mutate(tx: Transaction) -> None:
            events.append(tx, [event])

        self._database.write_later(mutate)
