"""Every setting in one table. This is the only reader of the environment.

A setting comes from the command line, else from the environment (`RUNYARD_` and its name in capitals),
else it has its default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Generic, TypeVar

from runyard.server.kernel.errors import InvalidArgument

T = TypeVar("T")

PREFIX = "RUNYARD_"


@dataclass(frozen=True, slots=True)
class Setting(Generic[T]):
    """One row of the table."""

    name: str
    kind: type[T]
    default: T
    help: str

    @property
    def variable(self) -> str:
        """The environment variable's name."""
        return PREFIX + self.name.upper()


SETTINGS: tuple[Setting[Any], ...] = (
    Setting(
        "host", str, "127.0.0.1", "Address to listen on; without login only a loopback address is allowed."
    ),
    Setting("port", int, 5000, "Port to listen on."),
    Setting("data", str, "runyard-data", "Folder for the database, the artifacts and the lock."),
    Setting(
        "database",
        str,
        "",
        "Database address: sqlite:///FILE or postgresql://...; empty: a file in the data folder.",
    ),
    Setting(
        "artifacts",
        str,
        "",
        "Where artifacts are stored: a folder or file:// address; empty: in the data folder.",
    ),
    Setting("workers", int, 1, "Server processes; more than one needs PostgreSQL."),
    Setting("log_level", str, "info", "debug, info, warning or error."),
    Setting("log_format", str, "text", "text for people, json for machines."),
    Setting(
        "max_body_bytes", int, 32 * 2**20, "Largest JSON request body in bytes; artifacts have no such limit."
    ),
    Setting("max_database_bytes", int, 0, "Largest size of the SQLite file in bytes; 0 for no limit."),
    Setting("max_artifact_bytes", int, 0, "Largest total size of all artifacts in bytes; 0 for no limit."),
    Setting("shutdown_seconds", int, 30, "How long a shutdown waits for requests in flight."),
)

_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force; one field per row of the table."""

    host: str
    port: int
    data: str
    database: str
    artifacts: str
    workers: int
    log_level: str
    log_format: str
    max_body_bytes: int
    max_database_bytes: int
    max_artifact_bytes: int
    shutdown_seconds: int

    @property
    def data_folder(self) -> Path:
        """The data folder as an absolute path."""
        return Path(self.data).expanduser().absolute()

    @property
    def database_url(self) -> str:
        """The database's address."""
        return self.database or f"sqlite:///{self.data_folder / 'runyard.db'}"

    @property
    def artifacts_url(self) -> str:
        """The artifact store's address."""
        return self.artifacts or str(self.data_folder / "artifacts")

    def environment(self) -> dict[str, str]:
        """The variables from which another process reads the same settings."""
        return {_BY_NAME[f.name].variable: str(getattr(self, f.name)) for f in fields(self)}


def load(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings in force.

    Args:
        given: values from the command line; None means not given.
        environment: the variables to read; the process's own by default.

    Raises:
        InvalidArgument: a value isn't of its setting's type or out of its range.
    """
    variables = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        value = (given or {}).get(setting.name)
        if value is None:
            value = variables.get(setting.variable, setting.default)
        values[setting.name] = _read(setting, value)
    settings = Settings(**values)
    _check(settings)
    return settings


def _read(setting: Setting[Any], value: Any) -> Any:
    try:
        return setting.kind(value)
    except ValueError as error:
        raise InvalidArgument(
            f"Setting {setting.name} ({setting.variable}) must be of type {setting.kind.__name__}, not {value!r}.",
            field=setting.name,
        ) from error


def _check(settings: Settings) -> None:
    for name, allowed in (
        ("log_level", ("debug", "info", "warning", "error")),
        ("log_format", ("text", "json")),
    ):
        if getattr(settings, name) not in allowed:
            raise InvalidArgument(
                f"Setting {name} must be one of {', '.join(allowed)}, not {getattr(settings, name)!r}.",
                field=name,
            )
    for name, least, most in (
        ("port", 0, 65535),
        ("workers", 1, 256),
        ("max_body_bytes", 1024, 2**31),
        ("max_database_bytes", 0, 2**63),
        ("max_artifact_bytes", 0, 2**63),
        ("shutdown_seconds", 1, 86_400),
    ):
        value = getattr(settings, name)
        if not least <= value <= most:
            raise InvalidArgument(
                f"Setting {name} must be between {least} and {most}, not {value}.", field=name
            )
    if settings.workers > 1 and settings.database_url.startswith("sqlite"):
        raise InvalidArgument(
            f"{settings.workers} workers need PostgreSQL, since SQLite has one writer: give --database "
            "postgresql://user:password@host/name, or run one worker.",
            field="workers",
        )
