"""What a released client deletes of a run's artifacts can be restored, as that client stored it."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from .conftest import RunScript
from .environments import CLIENTS
from .server import Server, is_peer

TRASH = "/api/runyard/1/trash"


@pytest.mark.skipif(is_peer(), reason="another server has no trash")
@pytest.mark.parametrize(
    "client", [pytest.param(one, marks=pytest.mark.xdist_group(f"compat-{one}")) for one in CLIENTS]
)
def test_what_a_client_deletes_can_be_restored(client: str, server: Server, run_script: RunScript) -> None:
    # Given
    run = run_script(client, "deleted_artifacts")["run_id"]
    held = [one for one in _call(server, f"{TRASH}?kind=artifact")["items"] if one["name"].startswith(run)]
    assert [one["name"] for one in held] == [f"{run}/artifacts/dir/", f"{run}/artifacts/a.txt"]
    # When
    items = [{"kind": "artifact", "id": one["id"]} for one in held]
    assert _call(server, f"{TRASH}/restore", {"items": items})["artifacts"] == 2
    # Then
    run_script(client, "deleted_artifacts", COMPAT_RUN=run)


def _call(server: Server, path: str, body: Any = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read())
