"""A server that a team shares: with an administrator, and a folder of settings for everybody."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runyard.cli.main import main
from tests.cli.conftest import Run
from tests.server.process import Process

PASSWORD = "correct horse battery"


class Team:
    """Calls the command as somebody.

    Args:
        url: of the server.
        homes: for everybody's settings.
    """

    def __init__(self, url: str, homes: Path) -> None:
        self.url = url
        self._homes = homes

    def environment(self, name: str) -> dict[str, str | None]:
        """What somebody's command finds in its environment."""
        foreign = [name for name in os.environ if name.startswith(("RUNYARD_", "MLFLOW_"))]
        return {
            **dict.fromkeys(foreign),
            "XDG_CONFIG_HOME": str(self.home(name)),
            "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        }

    def home(self, name: str) -> Path:
        """Somebody's folder of settings."""
        return self._homes / name

    def person(self, name: str) -> Run:
        """Calls the command as somebody, who may not have signed in."""

        def call(*words: str, input: str | None = None, **more: str) -> Result:
            return CliRunner().invoke(main, list(words), input=input, env={**self.environment(name), **more})

        return call

    def joined(self, name: str, *options: str) -> Run:
        """Makes a user and signs in as it; returns how to call the command as it."""
        added = self.person("root")("user", "add", name, *options, "--password-stdin", input=PASSWORD)
        assert added.exit_code == 0, added.output
        person = self.person(name)
        words = ("login", self.url, "--user", name, "--password-stdin")
        signed_in = person(*words, input=PASSWORD)
        assert signed_in.exit_code == 0, signed_in.output
        return person


@pytest.fixture(scope="session")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A server on SQLite whose first administrator, root, was made before it started, and has signed in."""
    folder = tmp_path_factory.mktemp("team")
    data = folder / "data"
    team = Team("", folder / "homes")
    words = ("user", "add", "root", "--admin", "--data", str(data), "--password-stdin")
    made = team.person("root")(*words, input=PASSWORD)
    assert made.exit_code == 0, made.output
    process = Process(folder / "server.log", "--data", str(data))
    try:
        process.wait_until_it_answers()
        team.url = process.url
        signing = ("login", team.url, "--user", "root", "--password-stdin")
        signed_in = team.person("root")(*signing, input=PASSWORD)
        assert signed_in.exit_code == 0, signed_in.output
        yield team
    finally:
        process.end()


@pytest.fixture
def root(team: Team) -> Run:
    """Calls the command as the administrator."""
    return team.person("root")
