"""The backup and the restore of the guide, of a running server, as the guide has them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.postgresql import PostgreSQL
from tests.server.conftest import Start
from tests.server.process import Process

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "secure-a-team-server.md"


def blocks(heading: str) -> list[str]:
    """The commands below a heading of the guide."""
    section = GUIDE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```\n(.*?)```", section, re.DOTALL | re.MULTILINE)


class Shell:
    """Runs the guide's commands in the test's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "runyard-data").symlink_to(folder / "data")

    def run(self, commands: str, **variables: str) -> str:
        """What the commands print; the first that fails ends the test."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("RUNYARD_", "MLFLOW_"))}
        clean["XDG_CONFIG_HOME"] = str(self._folder / "config")
        clean["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", commands],
            cwd=self._folder,
            check=False,
            capture_output=True,
            text=True,
            env={**clean, **variables},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def fill(server: Process) -> tuple[str, str]:
    """A run with a file; returns its id, and where the file is."""
    experiment = server.post("experiments/create", {"name": "kept"})["experiment_id"]
    run = server.post("runs/create", {"experiment_id": experiment, "start_time": 1})["run"]["info"]
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    at = f"/api/2.0/mlflow-artifacts/artifacts/{root}/model.txt"
    server.put(at, b"weights")
    return run["run_id"], at


def sign_in(shell: Shell, server: Process) -> str:
    """Make the first administrator, so that everybody has to sign in; returns a token of theirs."""
    shell.run(
        "runyard user add root --admin --password-stdin <<< 'correct horse battery'\n"
        "runyard login $RUNYARD_URL --user root --password-stdin --keep file <<< 'correct horse battery'",
        RUNYARD_URL=server.url,
    )
    # As the guide has it.
    shown = shell.run("runyard token create restore-check --days 1 -o json", RUNYARD_URL=server.url)
    token: str = json.loads(shown)["token"]
    return token


def check(shell: Shell, restored: Process, run: str, at: str, head: str, token: str) -> None:
    """The guide's last look at a restored server."""
    request = urllib.request.Request(restored.url + at, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.read() == b"weights"
    look = blocks("Restore, and try it")[-1]
    for placeholder, value in (
        ("http://127.0.0.1:5001", restored.url),
        ("SEQUENCE:HASH", head),
        ("=TOKEN", f"={token}"),
    ):
        assert placeholder in look
        look = look.replace(placeholder, value)
    shown = shell.run(look)
    assert run[:8] in shown
    assert re.search(r"^ok +yes", shown, re.MULTILINE), shown


def test_a_backup_is_restored(start: Start, tmp_path: Path) -> None:
    # Given a server with something in it
    server, shell = start(), Shell(tmp_path)
    run, at = fill(server)
    token = sign_in(shell, server)
    # When the guide's commands are run beside it
    shell.run(blocks("Backup")[0], RUNYARD_URL=server.url)
    head = json.loads((tmp_path / "backup-head.json").read_text())["head"]
    shell.run("runyard experiment create later", RUNYARD_URL=server.url)
    server.end()
    shutil.rmtree(tmp_path / "data")
    printed = shell.run(blocks("Restore, and try it")[0])
    # Then
    assert printed == "ok\n" or "('ok',)" in printed
    for name in ("backup.db", "restored", "restored/runyard.db", "restored/artifacts"):
        assert (tmp_path / name).stat().st_mode & 0o077 == 0, name
    restored = Process(tmp_path / "restored.log", "--data", str(tmp_path / "restored"))
    try:
        restored.wait_until_it_answers()
        check(shell, restored, run, at, head, token)
    finally:
        restored.end()


def test_a_backup_of_postgresql_is_restored(start: Start, tmp_path: Path, postgresql: PostgreSQL) -> None:
    if shutil.which("pg_dump") is None:
        pytest.skip("needs pg_dump")
    # Given
    address = postgresql.create_database()
    server, shell = start(database=address), Shell(tmp_path)
    run, at = fill(server)
    token = sign_in(shell, server)
    # When: the guide's lines for PostgreSQL in the place of those for SQLite
    umask, noted, _, artifacts = blocks("Backup")[0].splitlines()
    lines = "\n".join((umask, noted, blocks("Backup")[1], artifacts))
    shell.run(lines, RUNYARD_URL=server.url, RUNYARD_DATABASE=address)
    head = json.loads((tmp_path / "backup-head.json").read_text())["head"]
    server.end()
    empty = postgresql.create_database()
    restore = next(line for line in blocks("Restore, and try it")[2].splitlines() if "pg_restore" in line)
    shell.run(restore.replace("--dbname=runyard_restored", f"--dbname='{empty}'"))
    shell.run("umask 077; mkdir restored; cp -a backup-artifacts restored/artifacts")
    # Then
    restored = Process(tmp_path / "restored.log", "--data", str(tmp_path / "restored"), "--database", empty)
    try:
        restored.wait_until_it_answers()
        check(shell, restored, run, at, head, token)
    finally:
        restored.end()
