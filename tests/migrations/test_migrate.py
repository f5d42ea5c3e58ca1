"""Bringing a database up to date: once, alone, and whole or not at all."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from runyard.server.db import migrate
from runyard.server.db.database import open_dialect
from runyard.server.db.dialects import Dialect
from runyard.server.kernel.errors import InvalidArgument
from tests.migrations.catalog import catalog, revision

# A start, in another process; prints which of these packages it imported.
START = """
import sys
from runyard.server.db.database import open_dialect
from runyard.server.db.migrate import upgrade
upgrade(open_dialect(sys.argv[1]))
print(*sorted({"alembic", "mako"} & sys.modules.keys()))
"""

HEAD = migrate.HEAD
LATER = "9000"
# What follows the newest migration in these tests.
NEXT = f"""
from alembic import op

revision = "{LATER}"
down_revision = "{HEAD}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE later (id INTEGER)")
    op.execute("INSERT INTO experiment_tag (experiment_id, key, value) VALUES (1, 'migrated', 'yes')")
"""
BROKEN = NEXT + '    op.execute("SELECT no_such_column FROM later")\n'


def _begin(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", START, url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _end(process: subprocess.Popen[str]) -> str:
    printed, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return printed.strip()


def _add_migration(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scripts = folder / "migrations"
    shutil.copytree(migrate.MIGRATIONS, scripts)
    (scripts / "versions" / f"{LATER}_later.py").write_text(source)
    monkeypatch.setattr(migrate, "MIGRATIONS", scripts)
    monkeypatch.setattr(migrate, "HEAD", LATER)


def _tags(url: str) -> list[tuple[str, str]]:
    connection = open_dialect(url).connect(readonly=True)
    try:
        rows = connection.execute("SELECT key, value FROM experiment_tag").fetchall()
        return [(str(key), str(value)) for key, value in rows]
    finally:
        connection.close()


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [migrate.HEAD]
    assert len(list(scripts.walk_revisions())) == int(migrate.HEAD)


def test_no_start_but_an_upgrade_imports_alembic(empty_url: str) -> None:
    assert _end(_begin(empty_url)) == ""  # the first start
    assert revision(open_dialect(empty_url)) == migrate.HEAD
    assert _end(_begin(empty_url)) == ""  # a start with a current schema


def test_an_older_schema_is_upgraded(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a version with one migration more
    _add_migration(NEXT, tmp_path, monkeypatch)
    dialect = open_dialect(database_url)
    # When
    migrate.upgrade(dialect)
    # Then
    assert revision(dialect) == LATER
    assert ("table", "later") in catalog(dialect)
    assert _tags(database_url) == [("migrated", "yes")]


def test_what_a_first_start_lacks_the_migrations_add(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given the statements of a first start, one migration behind
    _add_migration(NEXT, tmp_path, monkeypatch)
    dialect = open_dialect(empty_url)
    # When
    migrate.upgrade(dialect)
    # Then
    assert revision(dialect) == LATER
    assert ("table", "later") in catalog(dialect)


def test_a_failure_leaves_the_database_as_it_was(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a migration that fails after its first statements
    dialect = open_dialect(database_url)
    before = catalog(dialect)
    with monkeypatch.context() as newer:
        _add_migration(BROKEN, tmp_path, newer)
        # When
        with pytest.raises(Exception, match="no_such_column"):
            migrate.upgrade(dialect)
    # Then
    assert catalog(dialect) == before
    assert revision(dialect) == HEAD
    assert _tags(database_url) == []
    # And the version before still starts
    migrate.upgrade(dialect)


def test_a_first_start_that_fails_leaves_nothing(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given statements of which the last fails
    scripts = tmp_path / "migrations"
    shutil.copytree(migrate.MIGRATIONS, scripts)
    dialect = open_dialect(empty_url)
    head = scripts / "head" / f"{dialect.name}.sql"
    head.write_text(head.read_text() + migrate.SEPARATOR + "SELECT no_such_column FROM run")
    monkeypatch.setattr(migrate, "MIGRATIONS", scripts)
    # When
    with pytest.raises(dialect.error, match="no_such_column"):
        migrate.upgrade(dialect)
    # Then
    assert catalog(dialect) == {}


@pytest.mark.parametrize("newer", ["9999", "0f1e2d3c4b5a"])
def test_an_unknown_schema_is_refused(database_url: str, newer: str) -> None:
    # Given
    dialect = open_dialect(database_url)
    connection = dialect.connect(readonly=False)
    connection.execute(f"UPDATE alembic_version SET version_num = '{newer}'")
    connection.close()
    # When
    with pytest.raises(InvalidArgument, match=f"schema '{newer}'.*newer version"):
        migrate.upgrade(dialect)
    # Then
    assert revision(dialect) == newer


def _together(url: str, work: Callable[[Dialect], None]) -> list[BaseException]:
    """Have several servers do something at once; what went wrong."""
    failures: list[BaseException] = []
    ready = threading.Barrier(4)

    def start() -> None:
        dialect = open_dialect(url)
        ready.wait(10)
        try:
            work(dialect)
        except BaseException as error:  # noqa: BLE001 - for the caller's assertion
            failures.append(error)

    servers = [threading.Thread(target=start) for _ in range(ready.parties)]
    for server in servers:
        server.start()
    for server in servers:
        server.join(60)
    return failures


def test_first_starts_at_once_take_turns(empty_url: str) -> None:
    assert _together(empty_url, migrate.upgrade) == []
    assert revision(open_dialect(empty_url)) == migrate.HEAD


def test_upgrades_at_once_take_turns(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a migration that may run only once
    _add_migration(NEXT, tmp_path, monkeypatch)
    # When, then
    assert _together(database_url, migrate.run_migrations) == []
    assert revision(open_dialect(database_url)) == LATER
    assert _tags(database_url) == [("migrated", "yes")]
