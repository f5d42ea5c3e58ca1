"""kill -9 while files go to the trash, come back and are purged: none is lost, or at two places."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.api.trash_data import sql
from tests.faults.server import Answer, Client, Server

pytestmark = [pytest.mark.full, pytest.mark.xdist_group("processes")]

FOLDERS = 40
FILES = 3
KILLS = 6
PATIENCE_SECONDS = 180.0
AT = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    started = Server(tmp_path / "data", "--database", database_url)
    started.start()
    yield started
    started.stop()


class Mover:
    """Deletes, restores and sometimes purges folders of a run, until its server dies."""

    def __init__(self, client: Client, run: str, round_: int) -> None:
        self._client = client
        self._run = run
        self._round = round_
        self.purged: set[str] = set()
        self.done = 0

    def work(self) -> None:
        with suppress(OSError, http.client.HTTPException):  # the server dies before it answers
            for i in itertools.count():
                self._move(f"f{(i * 7 + self._round) % FOLDERS}", purge=i % 50 == 49)
                self.done += 1
        self._client.close()

    def _move(self, folder: str, *, purge: bool) -> None:
        with suppress(Answer):  # it isn't there, or not in the trash: the kill before left it so
            told = self._client.native("artifacts/delete", {"run_id": self._run, "path": folder})
            items = {"items": [{"kind": "artifact", "id": told["id"]}]}
            if purge:
                self.purged.add(folder)
                self._client.native("trash/purge", items)
            else:
                self._client.native("trash/restore", items)


def _content(folder: str, file: int) -> bytes:
    return f"{folder}/{file}".encode()


def test_no_file_is_lost(server: Server, database_url: str, tmp_path: Path) -> None:
    # Given
    client = server.client()
    experiment = client.post("experiments/create", {"name": "e"})["experiment_id"]
    run = client.post("runs/create", {"experiment_id": experiment})["run"]["info"]["run_id"]
    root = f"default/{experiment}/{run}/artifacts"
    folders = [f"f{i}" for i in range(FOLDERS)]
    for folder in folders:
        for file in range(FILES):
            client.put(f"{AT}/{root}/{folder}/{file}", _content(folder, file))
    # When the server is killed again and again while folders move
    purged: set[str] = set()
    for round_ in range(KILLS):
        movers = [Mover(server.client(), run, round_ + i * 11) for i in range(3)]
        threads = [threading.Thread(target=mover.work) for mover in movers]
        for thread in threads:
            thread.start()
        _wait_until(client, partial(_have_done, movers, 20))
        server.kill()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        purged |= {folder for mover in movers for folder in mover.purged}
        # Another process would leave alone for a minute what this one had begun.
        sql(database_url, "UPDATE deleted_artifact SET since = since - 120000")
        server.start()
        client.close()
        client = server.client()
    # Then all that was begun is finished
    _wait_until(client, lambda: not _under_way(database_url))
    client.native("trash/purge", {"all": True, "deleted_before": 0})
    # And each folder is whole at its place or in the trash, once, unless it was purged
    there = {one["path"] for one in client.get("artifacts/list", run_id=run).get("files", [])}
    items = client.get_native("trash?limit=1000")["items"]
    held = [item["name"].rstrip("/").rsplit("/", 1)[1] for item in items]
    assert len(held) == len(set(held))
    assert there.isdisjoint(held)
    assert set(folders) - there - set(held) <= purged
    assert all((item["artifact_files"], item["artifact_bytes"] > 0) == (FILES, True) for item in items)
    client.native("trash/restore", {"items": [{"kind": "artifact", "id": one["id"]} for one in items]})
    for folder in (*there, *held):
        found = [client.raw(f"{AT}/{root}/{folder}/{file}") for file in range(FILES)]
        assert found == [_content(folder, file) for file in range(FILES)]
    # And nothing else is left
    assert sql(database_url, "SELECT count(*) FROM deleted_artifact") == [(0,)]
    stored = [one for one in (tmp_path / "data" / "artifacts" / "default").rglob("*") if one.is_file()]
    assert len(stored) == FILES * len({*there, *held})
    client.close()


def _have_done(movers: list[Mover], count: int) -> bool:
    return sum(mover.done for mover in movers) > count


def _under_way(database_url: str) -> bool:
    return sql(database_url, "SELECT count(*) FROM deleted_artifact WHERE state <> 1") != [(0,)]


def _wait_until(client: Client, what: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not what():
        assert time.monotonic() < end
        client.raw("/health")  # so that polling leaves the server some time
