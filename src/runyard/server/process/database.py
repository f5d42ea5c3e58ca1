"""The database is made ready before anybody connects, and what is wrong with it is said in one line."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from runyard.server.auth.service.sessions import user_exists
from runyard.server.db import Connection
from runyard.server.db.database import open_dialect
from runyard.server.db.dialects import Dialect, Fault, SQLiteDialect
from runyard.server.db.migrate import HEAD, revision, upgrade
from runyard.server.kernel.errors import RunyardError
from runyard.server.process.errors import StartError
from runyard.server.settings import Settings

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def make_ready(settings: Settings) -> None:
    """Bring the schema up to date.

    Raises:
        InvalidArgument: the address names no database that Runyard can use.
        StartError: the database can't be opened, or a newer version wrote it.
    """
    dialect = open_dialect(settings.database_url, max_bytes=settings.max_database_bytes or None)
    try:
        upgrade(dialect)
    except RunyardError as error:
        raise StartError(error.message) from error
    except dialect.error as error:
        raise StartError(_told(dialect, settings, error)) from error


def must_be_current(settings: Settings, *, may_be_empty: bool) -> None:
    """Refuse a PostgreSQL database of another version's schema: nothing tells whether its server runs.

    Raises:
        InvalidArgument: the address names no database that Runyard can use.
        StartError: the database can't be opened, or has another schema.
    """
    dialect = open_dialect(settings.database_url)
    try:
        found = revision(dialect)
    except dialect.error as error:
        raise StartError(_told(dialect, settings, error)) from error
    if found is None and not may_be_empty:
        raise StartError(f"There is no Runyard in the database ({described(settings)}).")
    if found not in (None, HEAD):
        raise StartError(
            f"Another version of Runyard made the database's schema ({described(settings)}; it is {found}, "
            f"this version's is {HEAD}), and its server may run, so nothing was changed. Run this command "
            "with that version; or start this version's server, which brings an older schema up to date."
        )


def has_user(settings: Settings) -> bool:
    """Whether somebody can sign in; the schema is up to date.

    Raises:
        StartError: the database can't be read.
    """
    dialect = open_dialect(settings.database_url)
    try:
        with closing(dialect.connect(readonly=True)) as driver:
            dialect.begin(driver, readonly=True)
            return user_exists(Connection(dialect, driver))
    except dialect.error as error:
        raise StartError(_told(dialect, settings, error)) from error


def absence(settings: Settings) -> str | None:
    """Why the database can't be reached now; None where it can.

    Raises:
        InvalidArgument: the address names no database that Runyard can use.
    """
    dialect = open_dialect(settings.database_url)
    try:
        dialect.connect(readonly=True).close()
    except dialect.error as error:
        if dialect.fault(error) is Fault.LOST:
            return _told(dialect, settings, error)
    return None


def foreign_file(settings: Settings) -> Path | None:
    """The SQLite file, where it isn't in the data folder and so isn't covered by its lock."""
    file = file_of(settings)
    return None if file is None or file.is_relative_to(settings.data_folder) else file


def file_of(settings: Settings) -> Path | None:
    """The SQLite file; None with PostgreSQL."""
    dialect = open_dialect(settings.database_url)
    return dialect.path.expanduser().absolute() if isinstance(dialect, SQLiteDialect) else None


def described(settings: Settings) -> str:
    """The database for people: what it is and where, without the password."""
    file = make_url(settings.database_url)
    if file.get_backend_name() == "sqlite":
        return f"SQLite, {file.database}"
    return f"PostgreSQL, {file.render_as_string(hide_password=True)}"


def passwords(settings: Settings) -> tuple[str, ...]:
    """What log lines must never show."""
    try:
        password = make_url(settings.database_url).password
    except ArgumentError:
        return ()
    return (str(password),) if password else ()


def _told(dialect: Dialect, settings: Settings, error: Exception) -> str:
    if not isinstance(dialect, SQLiteDialect):
        reason = str(error).strip().splitlines()
        return f"The database doesn't answer ({described(settings)}): {reason[0] if reason else error!r}"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return (
            f"The database file {dialect.path} is damaged or isn't a SQLite database ({error}). "
            "Restore it from a backup, or start with another --data."
        )
    if code in _LOCKED:
        return f"The database file {dialect.path} is locked by another program."
    if not dialect.path.parent.is_dir():
        return f"The folder of the database file {dialect.path} doesn't exist."
    return f"The database file {dialect.path} can't be used: {error}."
