"""Connects to a database that may be away for a while."""

from __future__ import annotations

import threading
from typing import Any

from runyard.server.db.dialects import Dialect, Fault
from runyard.server.kernel.errors import Unavailable


class Connector:
    """Makes the connections of the writer and of the readers.

    While the database is away, one of them tries to connect at a time and the others are refused at once:
    a host that doesn't answer keeps whoever tries waiting for seconds, and more come meanwhile.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._away = False
        self._trying = threading.Lock()

    def connect(self, *, readonly: bool) -> Any:
        """A new driver connection.

        Raises:
            Unavailable: the database can't be reached. To try again at once is of no use.
        """
        if not self._away:
            return self._try(readonly=readonly)
        if not self._trying.acquire(blocking=False):
            raise unreachable()
        try:
            return self._try(readonly=readonly)
        finally:
            self._trying.release()

    def _try(self, *, readonly: bool) -> Any:
        try:
            connection = self._dialect.connect(readonly=readonly)
        except self._dialect.error as error:
            if self._dialect.fault(error) is not Fault.LOST:
                raise
            self._away = True
            raise unreachable() from error
        self._away = False
        return connection


def unreachable() -> Unavailable:
    """The error for a database that is away."""
    return Unavailable("The database can't be reached; try again in a moment.")
