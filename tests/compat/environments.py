"""One virtual environment for each released client, made by uv in `.envs/` and kept between sessions.

`environments/<client>.in` says what a client needs and `<client>.txt` is that list resolved and pinned; an
environment is made anew when its list has changed. Both lists are for Python 3.11, the one version that
all of these clients can be installed on; uv fetches it where the machine has another.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PYTHON_VERSION = "3.11"
CLIENTS = ("mlflow1", "mlflow2", "mlflow3", "skinny")

_LISTS = Path(__file__).parent / "environments"
_ENVIRONMENTS = Path(__file__).parents[2] / ".envs"


def python_of(client: str) -> Path:
    """The interpreter of a client's environment, which is made first if it has to be."""
    environment = _ENVIRONMENTS / client
    pins = _LISTS / f"{client}.txt"
    record = environment / "installed.txt"
    with _locked(client):
        if not record.exists() or record.read_text() != pins.read_text():
            _make(environment, pins)
            shutil.copyfile(pins, record)
    return environment / "bin" / "python"


@contextmanager
def _locked(client: str) -> Iterator[None]:
    """Keep other workers of the test session out while an environment is being made."""
    _ENVIRONMENTS.mkdir(exist_ok=True)
    with (_ENVIRONMENTS / f"{client}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(environment: Path, pins: Path) -> None:
    _uv("venv", "--clear", "--python", PYTHON_VERSION, environment)
    _uv("pip", "install", "--python", environment, "--no-deps", "-r", pins)


def _uv(*arguments: str | Path) -> None:
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else "uv"
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        command = " ".join(map(str, arguments))
        raise RuntimeError(
            f"uv {command} failed; the clients' environments need a package index:\n{done.stderr}"
        )
