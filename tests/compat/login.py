"""A server that everybody has to sign in to, and the credentials of a Data Scientist on it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

NAME, PASSWORD = "ada", "correct horse battery"
_ADMIN = "root"
_RUNYARD = str(Path(sys.executable).with_name("runyard"))


def make_administrator(data: Path) -> None:
    """Make the first user, before the server starts: from then on it asks for a login."""
    subprocess.run(
        [_RUNYARD, "user", "add", _ADMIN, "--admin", "--password-stdin", "--data", str(data)],
        input=PASSWORD,
        text=True,
        check=True,
        capture_output=True,
    )


def make_scientist(url: str) -> str:
    """Make `ada`, a Data Scientist in `default` and `elsewhere`; returns a token of hers."""
    _send(url, _ADMIN, "POST", "users", {"name": NAME, "password": PASSWORD})
    _send(url, _ADMIN, "POST", "workspaces", {"name": "elsewhere"})
    for workspace in ("default", "elsewhere"):
        _send(url, _ADMIN, "PUT", f"workspaces/{workspace}/members/{NAME}/Data%20Scientist")
    token: str = _send(url, NAME, "POST", "tokens", {"name": "compat"})["token"]
    return token


def _send(url: str, name: str, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    pair = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
    request = urllib.request.Request(
        f"{url}/api/runyard/1/{path}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Basic {pair}", "Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        answer: dict[str, Any] = json.load(reply)
        return answer
