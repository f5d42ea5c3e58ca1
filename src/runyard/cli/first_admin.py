"""The first administrator, made in a server's database while no server runs on it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import click

from runyard.server import settings as settings_module
from runyard.server.auth.service import users
from runyard.server.db import Database
from runyard.server.db.database import open_dialect
from runyard.server.kernel.errors import InvalidArgument, RunyardError
from runyard.server.process import StartError, folder
from runyard.server.process import database as process_database
from runyard.server.settings import Settings


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
        click.ClickException: a server runs on it, it has users already, or a value isn't allowed.
    """
    try:
        settings = settings_module.load({"data": data, "database": database})
        with ExitStack() as held:
            _lock(held, settings, folder_was_named=data is not None)
            process_database.make_ready(settings)
            opened = Database(open_dialect(settings.database_url))
            opened.start()
            held.callback(opened.close)
            made = users.add_first_admin(opened, name, password, display_name=display_name, email=email)
    except StartError as error:
        raise click.ClickException(
            f"{error} Users are added to a server that runs without --data and --database."
        ) from error
    except InvalidArgument as error:
        raise click.UsageError(error.message) from error
    except RunyardError as error:
        raise click.ClickException(error.message) from error
    return {
        "id": str(made.id),
        "name": made.name,
        "display_name": made.display_name,
        "email": made.email,
        "is_admin": made.is_admin,
        "creation_time": made.creation_time,
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
        held.enter_context(folder.locked(lock, f"The data folder {settings.data_folder}"))
    if file is not None:
        lock = file.with_name(file.name + ".lock")
        held.enter_context(folder.locked(lock, f"The database file {file}"))
