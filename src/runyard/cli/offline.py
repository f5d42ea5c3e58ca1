"""What is done in a server's database while no server runs on it: the way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import click

from runyard.server import settings as settings_module
from runyard.server.auth.records import User
from runyard.server.auth.service import users
from runyard.server.db import Database
from runyard.server.db.database import open_dialect
from runyard.server.kernel.errors import InvalidArgument, RunyardError
from runyard.server.process import StartError, folder
from runyard.server.process import database as process_database
from runyard.server.settings import Settings

_INSTEAD = (
    "Stop it first, or let it do this: an administrator gives the command without --data and --database."
)


def add_first_admin(
    name: str, password: str, *, display_name: str, email: str, data: str | None, database: str | None
) -> dict[str, Any]:
    """Make the first administrator, under the data folder's lock; returns what is known of it.

    Args:
        name: of the user.
        password: as typed.
        display_name: how people call them.
        email: an address, or nothing.
        data: the data folder; None for the setting's own.
        database: the database's address; None for the setting's own.

    Raises:
        click.ClickException: a server runs on it, or one of another version may; it has users already, or a
            value isn't allowed.
    """
    with _opened(data, database) as (opened, settings):
        made = users.add_first_admin(opened, name, password, display_name=display_name, email=email)
        return _told(made, settings)


def reset_password(
    name: str, password: str, *, revoke_tokens: bool, data: str | None, database: str | None
) -> dict[str, Any]:
    """Give an administrator a new password, under the data folder's lock; returns what is known of it.

    Args:
        name: of the user.
        password: as typed.
        revoke_tokens: whether its tokens end too.
        data: the data folder; None for the setting's own.
        database: the database's address; None for the setting's own.

    Raises:
        click.ClickException: a server runs on it, or one of another version may; it has no such
            administrator, or a value isn't allowed.
    """
    with _opened(data, database, must_exist=True) as (opened, settings):
        changed, tokens = users.reset_password(opened, name, password, revoke_tokens=revoke_tokens)
        left, revoked = (0, tokens) if revoke_tokens else (tokens, 0)
        return {**_told(changed, settings), "tokens": left, "revoked_tokens": revoked}


@contextmanager
def _opened(
    data: str | None, database: str | None, *, must_exist: bool = False
) -> Iterator[tuple[Database, Settings]]:
    """The database, of the newest schema; errors are the command line's."""
    try:
        settings = settings_module.load({"data": data, "database": database})
        file = process_database.file_of(settings)
        if must_exist and file is not None and not file.exists():
            raise click.UsageError(f"There is no database {file}.")
        with ExitStack() as held:
            _lock(held, settings, folder_was_named=data is not None)
            if file is None:
                process_database.must_be_current(settings, may_be_empty=not must_exist)
            process_database.make_ready(settings)
            opened = Database(open_dialect(settings.database_url))
            opened.start()
            held.callback(opened.close)
            yield opened, settings
    except StartError as error:
        raise click.ClickException(str(error)) from error
    except InvalidArgument as error:
        raise click.UsageError(error.message) from error
    except RunyardError as error:
        raise click.ClickException(error.message) from error


def _told(user: User, settings: Settings) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "name": user.name,
        "display_name": user.display_name,
        "email": user.email,
        "is_admin": user.is_admin,
        "creation_time": user.creation_time,
        "database": process_database.described(settings),
    }


def _lock(held: ExitStack, settings: Settings, *, folder_was_named: bool) -> None:
    """Keep servers out: of the data folder, and of a SQLite file elsewhere.

    PostgreSQL needs no lock, and no folder that nobody asked for.
    """
    file = process_database.foreign_file(settings)
    in_folder = file is None and settings.database_url.startswith("sqlite")
    if folder_was_named or in_folder:
        folder.make(settings.data_folder)
        lock = settings.data_folder / folder.LOCK
        held.enter_context(folder.locked(lock, f"The data folder {settings.data_folder}", _INSTEAD))
    if file is not None:
        lock = file.with_name(file.name + ".lock")
        held.enter_context(folder.locked(lock, f"The database file {file}", _INSTEAD))
