"""Brings the schema up to date, once, under a lock.

Alembic is imported only when there is something to do: a start with a current schema doesn't pay for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runyard.server.db.dialects import Dialect
from runyard.server.kernel.errors import InvalidArgument

HEAD = "0001"
MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = 0x72756E79617264  # "runyard"

log = logging.getLogger("runyard.db.migrate")


def upgrade(dialect: Dialect) -> None:
    """Run the migrations that the database lacks.

    Two servers that start at the same time take turns; the second finds nothing to do.

    Raises:
        InvalidArgument: the database was written by a newer version of Runyard.
    """
    driver = dialect.connect(readonly=False)
    try:
        if _revision(dialect, driver) == HEAD:
            return
        with _locked(dialect, driver):
            found = _revision(dialect, driver)
            if found == HEAD:
                return
            _run_alembic(dialect, found)
    finally:
        driver.close()


def _revision(dialect: Dialect, driver: Any) -> str | None:
    exists = {
        "sqlite": "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'",
        "postgresql": "SELECT count(*) FROM pg_tables WHERE tablename = 'alembic_version'"
        " AND schemaname = current_schema()",
    }[dialect.name]
    if not driver.execute(exists).fetchone()[0]:
        return None
    row = driver.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


@contextmanager
def _locked(dialect: Dialect, driver: Any) -> Iterator[None]:
    """One migration at a time. On SQLite the data folder's lock already keeps a second server out."""
    if dialect.name == "sqlite":
        yield
        return
    driver.execute(f"SELECT pg_advisory_lock({_LOCK_KEY})")
    try:
        yield
    finally:
        driver.execute(f"SELECT pg_advisory_unlock({_LOCK_KEY})")


def _run_alembic(dialect: Dialect, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine, pool

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise InvalidArgument(
            f"The database has schema {found!r}, which this version of Runyard doesn't know: it was written "
            "by a newer version. Install that version, or start with another data folder."
        )
    address = "sqlite://" if dialect.name == "sqlite" else "postgresql+psycopg://"
    engine = create_engine(address, creator=lambda: dialect.connect(readonly=False), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if dialect.name == "sqlite" else "BEGIN")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql("COMMIT")
    engine.dispose()
    log.info("schema upgraded from %s to %s", found or "nothing", HEAD)
