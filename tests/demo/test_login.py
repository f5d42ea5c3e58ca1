"""The demo against a server that asks for a login, in a workspace that isn't the default one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.process import Process

pytestmark = pytest.mark.xdist_group("demo")

RUNYARD = str(Path(sys.executable).parent / "runyard")
PASSWORD = "correct horse battery"

Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def call(tmp_path: Path) -> Iterator[Call]:
    """Calls `runyard` on a server with the administrator root, and nothing kept or set but what is given."""
    data, work = tmp_path / "data", tmp_path / "work"
    work.mkdir()
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("RUNYARD_", "MLFLOW_"))}
    clean |= {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }

    def run(*words: str, stdin: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [RUNYARD, *words],
            input=stdin,
            env=clean | more,
            cwd=work,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    first = run("user", "add", "root", "--admin", "--data", str(data), "--password-stdin", stdin=PASSWORD)
    assert first.returncode == 0, first.stderr
    process = Process(tmp_path / "server.log", "--data", str(data))
    try:
        process.wait_until_it_answers()
        clean["RUNYARD_URL"] = process.url
        yield run
    finally:
        process.end()


def _json(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_demo_signs_in_and_logs_to_the_workspace_that_is_named(call: Call) -> None:
    # Given
    refused = call("demo", "--quick")
    assert (refused.returncode, "runyard login" in refused.stderr) == (3, True)
    assert call("login", "--user", "root", "--password-stdin", stdin=PASSWORD).returncode == 0
    assert call("workspace", "create", "vision").returncode == 0
    token = _json(call("token", "create", "demo", "-o", "json"))["token"]
    assert call("logout").returncode == 0
    missing = call("demo", "--quick", "-w", "nowhere", RUNYARD_TOKEN=token)
    assert (missing.returncode, "nowhere" in missing.stderr) == (4, True)
    # When by a token of the environment
    variables = {
        "RUNYARD_TOKEN": token,
        "RUNYARD_WORKSPACE": "vision",
        "MLFLOW_TRACKING_URI": "http://[::1]:9",
    }
    done = _json(call("demo", "--quick", "-o", "json", **variables))
    # Then
    assert done["steps_trained"] == 13
    assert done["url"].endswith("/w/vision")
    listed = _json(call("experiment", "list", "-o", "json", RUNYARD_TOKEN=token, RUNYARD_WORKSPACE="vision"))
    assert {"/Shared/demo/diabetes", "/Shared/demo/breast-cancer"} <= {one["name"] for one in listed}
    assert len(_json(call("experiment", "list", "-o", "json", RUNYARD_TOKEN=token))) == 1
    # And by what login kept
    assert call("login", "--user", "root", "--password-stdin", stdin=PASSWORD).returncode == 0
    again = call("demo", "--quick", "-w", "vision", "-o", "csv")
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines()[0] == "name,experiment_id,runs,metric,value,run_name,run_id,url"
    assert len(again.stdout.splitlines()) == 3
