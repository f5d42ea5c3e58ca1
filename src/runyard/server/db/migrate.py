"""Brings the schema up to date, once, in one transaction.

The migrations say what the schema is. What they make of an empty database is kept beside them as plain
statements (`migrations/head`, written by `python -m tests.migrations.generate` and compared with them by
a test), so that a first start needn't wait for Alembic; it is imported only to change a schema.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from runyard.server.db.dialects import Dialect
from runyard.server.kernel.errors import InvalidArgument

HEAD = "0011"
MIGRATIONS = Path(__file__).parent / "migrations"
# Between the statements of a file in `migrations/head`.
SEPARATOR = ";\n\n"
_LOCK_KEY = 0x72756E79617264  # "runyard"

log = logging.getLogger("runyard.db.migrate")


def upgrade(dialect: Dialect) -> None:
    """Make the schema current, from whatever revision the database has.

    Servers that start at the same time take turns; all but the first find nothing to do. A failure leaves
    the database as it was.

    Raises:
        InvalidArgument: the database has a revision that this version of Runyard doesn't know.
    """
    driver = dialect.connect(readonly=False)
    try:
        if _revision(dialect, driver) is None:
            _create(dialect, driver)
        if _revision(dialect, driver) != HEAD:
            _migrate(dialect, driver)
    finally:
        driver.close()


def revision(dialect: Dialect) -> str | None:
    """The schema that the database has; None for one without any."""
    driver = dialect.connect(readonly=True)
    try:
        return _revision(dialect, driver)
    finally:
        driver.close()


def run_migrations(dialect: Dialect) -> None:
    """Make the schema current by the migrations alone, as `upgrade` does where there is one already."""
    driver = dialect.connect(readonly=False)
    try:
        _migrate(dialect, driver)
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
def _alone(dialect: Dialect, driver: Any) -> Iterator[None]:
    """A transaction, one at a time of all servers; rolled back when the block fails."""
    dialect.begin(driver, readonly=False)
    try:
        if dialect.name == "postgresql":  # on SQLite the transaction itself keeps others out
            driver.execute(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")
        yield
        driver.execute("COMMIT")
    except BaseException:
        with suppress(dialect.error):  # a connection that is lost has nothing to roll back
            if dialect.in_transaction(driver):
                driver.execute("ROLLBACK")
        raise


def _create(dialect: Dialect, driver: Any) -> None:
    with _alone(dialect, driver):
        if _revision(dialect, driver) is not None:
            return
        for statement in (MIGRATIONS / "head" / f"{dialect.name}.sql").read_text().split(SEPARATOR):
            driver.execute(statement)
    log.info("schema %s created", HEAD)


def _migrate(dialect: Dialect, driver: Any) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine, pool

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    address = "sqlite://" if dialect.name == "sqlite" else "postgresql+psycopg://"
    engine = create_engine(address, creator=lambda: driver, poolclass=pool.StaticPool)
    with engine.connect() as connection, _alone(dialect, driver):
        found = _revision(dialect, driver)
        if found is not None and found not in known:
            raise InvalidArgument(
                f"The database has schema {found!r}, which this version of Runyard doesn't know: a newer "
                "version wrote it, or another program did. Install that version, or use another database."
            )
        connection.begin()  # or Alembic would commit after each migration
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        log.info("schema upgraded from %s to %s", found or "nothing", HEAD)
