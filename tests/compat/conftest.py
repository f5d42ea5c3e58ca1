"""The session's server on each database, and the way to run a client's script against it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .environments import python_of
from .login import NAME, PASSWORD
from .server import Server, is_peer

SCRIPTS = Path(__file__).parent / "clients"
SCRIPT_SECONDS = 300

RunScript = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class _Servers:
    """The servers of this session: one for each database, started when first asked for."""

    folder: Path
    running: dict[str, Server]

    def on(self, database: str, *options: str, login: bool = False) -> Server:
        if database not in self.running:
            server = Server(self.folder / database, *options, login=login)
            self.running[database] = server
            server.wait()
        self.running[database].check()
        return self.running[database]


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Servers]:
    started = _Servers(tmp_path_factory.mktemp("compat"), {})
    yield started
    ends = {database: server.stop() for database, server in started.running.items()}
    assert is_peer() or set(ends.values()) <= {0}, f"a server ended badly: {ends}"


@pytest.fixture
def server(request: pytest.FixtureRequest, servers: _Servers) -> Server:
    """The session's server: on SQLite, or on the database that a test's indirect parameter names.

    `login` is one on SQLite that everybody has to sign in to.
    """
    database = getattr(request, "param", "sqlite")
    if database == "sqlite" or database in servers.running:
        return servers.on(database)
    if is_peer():
        pytest.skip("the command of another server names its own database")
    if database == "login":
        return servers.on(database, login=True)
    # The database outlives the test, as the server does; it goes with the session's PostgreSQL.
    address: str = request.getfixturevalue("postgresql").create_database()
    return servers.on(database, "--database", address)


@pytest.fixture
def run_script(server: Server, tmp_path: Path) -> RunScript:
    """Run `clients/check_<name>.py` in a client's environment; returns the facts that it reports.

    Fails with the script's whole output if it fails, and if the server logged an error meanwhile: a
    client repeats what a server failed to do, so that its own success doesn't prove the server's.
    """

    def run(client: str, name: str, **environment: str) -> dict[str, Any]:
        logged = server.log.stat().st_size
        done = subprocess.run(
            [python_of(client), "-B", SCRIPTS / f"check_{name}.py"],
            cwd=tmp_path,
            env=_environment(server.url) | _credential(server, client) | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
        server.check()
        if done.returncode:
            pytest.fail(f"check_{name}.py failed with {client}:\n{done.stdout}", pytrace=False)
        with server.log.open("rb") as log:
            log.seek(logged)
            said = log.read().decode(errors="replace")
        if " ERROR " in said and not is_peer():
            pytest.fail(
                f"the server logged errors during check_{name}.py with {client}:\n{said}", pytrace=False
            )
        facts: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return facts

    return run


def _credential(server: Server, client: str) -> dict[str, str]:
    """What a client signs in with: the old ones with a password, the newer ones with a token."""
    if not server.token:
        return {}
    if client == "mlflow1":
        return {"MLFLOW_TRACKING_USERNAME": NAME, "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    return {"MLFLOW_TRACKING_TOKEN": server.token}


def _environment(url: str) -> dict[str, str]:
    """This process's environment without what would lead a client astray."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PYTHON"))}
    return inherited | {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MPLBACKEND": "Agg",
        "PYTHONWARNINGS": "ignore",
        "COMPAT_PEER": "1" if is_peer() else "",
    }
