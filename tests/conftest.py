"""Fixtures that every suite shares: both databases, each with the migrated schema.

A test's database is a copy of one that was migrated once, so that it costs milliseconds on SQLite and well
under a second on PostgreSQL.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.server.db.database import Database, open_dialect
from runyard.server.db.migrate import upgrade
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A running PostgreSQL server."""
    server = PostgreSQL()
    server.create()
    yield server
    server.delete()


@pytest.fixture(scope="session")
def postgresql_template(postgresql: PostgreSQL) -> str:
    """The address of a PostgreSQL database with the migrated schema, for `create_database`."""
    url = postgresql.create_database()
    upgrade(open_dialect(url))
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the migrated schema."""
    file = tmp_path_factory.mktemp("template") / "runyard.db"
    upgrade(open_dialect(f"sqlite:///{file}"))
    return file


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL, postgresql_template: str) -> Iterator[str]:
    """The address of a fresh PostgreSQL database with the migrated schema."""
    url = postgresql.create_database(postgresql_template)
    yield url
    postgresql.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a fresh database with the migrated schema: once on each system."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgresql_url")
        return url
    file = tmp_path / "runyard.db"
    shutil.copyfile(request.getfixturevalue("sqlite_template"), file)
    return f"sqlite:///{file}"


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table: once on each system."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A started database with the migrated schema: once on each system."""
    opened = Database(open_dialect(database_url))
    opened.start()
    yield opened
    opened.close()
