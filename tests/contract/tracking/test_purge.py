"""Destroying what is marked, stopped after every transaction and gone on with by another process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from runyard.server.artifacts import BlobPath, BlobStore
from runyard.server.artifacts import Usage as Files
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.auth import LOCAL
from runyard.server.db import Database
from runyard.server.db.database import open_dialect
from runyard.server.kernel.errors import NotFound
from runyard.server.tracking.service import Artifacts, DeletedFiles, Destroyer, Keys
from runyard.server.tracking.service.purge import Pace
from runyard.server.workspaces.service import Directory, Left, Room, Usage, default_experiments
from runyard.server.workspaces.service.kinds import Stopped
from tests.api.conftest import Api, serve
from tests.api.trash_data import OF_RUN, fill, new_model, sql

NOW = 2**41
ROW = "SELECT * FROM {0} WHERE run_id = {1} ORDER BY 1, 2"
IN_USE = "(SELECT id FROM {} WHERE lifecycle = 0)"
# What has no owner that is in use.
LOST = (
    *(
        f"SELECT count(*) FROM {t} WHERE run_id NOT IN (SELECT id FROM run WHERE lifecycle = 0)"
        for t in OF_RUN
    ),
    *(
        f"SELECT count(*) FROM {t} WHERE scope NOT IN {IN_USE.format('run')}"
        for t in ("metric_batch", "metric_pack")
    ),
    *(
        f"SELECT count(*) FROM {t} WHERE model_id NOT IN {IN_USE.format('logged_model')}"
        for t in ("logged_model_param", "logged_model_tag", "logged_model_metric")
    ),
    f"SELECT count(*) FROM logged_model_metric WHERE run_id NOT IN {IN_USE.format('run')}",
    "SELECT count(*) FROM dataset WHERE id NOT IN (SELECT dataset_id FROM run_dataset)",
    "SELECT count(*) FROM run WHERE lifecycle > 0",
    "SELECT count(*) FROM logged_model WHERE lifecycle > 0",
    "SELECT count(*) FROM experiment WHERE lifecycle > 0",
)


class Some:
    """Lets some slices pass, then stops."""

    def __init__(self, slices: int) -> None:
        self.left = slices

    async def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Stopped


def rows_of(url: str, run: str) -> list[Any]:
    """All rows that belong to a run, and the datasets that it reads."""
    ((key,),) = sql(url, f"SELECT id FROM run WHERE uuid = '{run}'")
    of_scope = [sql(url, f"SELECT * FROM {t} WHERE scope = {key}") for t in ("metric_batch", "metric_pack")]
    read = f"SELECT dataset_id FROM run_dataset WHERE run_id = {key}"
    return [
        sql(url, f"SELECT * FROM run WHERE id = {key}"),
        *(sql(url, ROW.format(table, key)) for table in (*OF_RUN, "logged_model_metric")),
        *of_scope,
        sql(url, f"SELECT * FROM dataset WHERE id IN ({read}) ORDER BY id"),
    ]


def files(folder: Path) -> set[str]:
    """The artifacts that are stored."""
    root = folder / "artifacts"
    found = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return {path for path in found if not path.startswith(".")}


def test_every_transaction_leaves_what_can_be_gone_on_with(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a run in use, and much that is marked
    for name in ("START", "LEAST", "MOST"):
        monkeypatch.setattr(Pace, name, 2)
    monkeypatch.setattr(Pace, "POINTS", 10)
    with serve(data=str(tmp_path), database=database_url) as api:
        kept = _filled(api)
        stored = files(tmp_path)
    for table in ("run", "logged_model", "experiment"):
        sql(database_url, f"UPDATE {table} SET lifecycle = 2 WHERE lifecycle = 1")
    before = rows_of(database_url, kept)
    assert sum(map(len, before)) > 12
    # When it is destroyed by processes that die after some slices of two rows
    rounds = 0
    while asyncio.run(_destroy(database_url, _artifacts(tmp_path), Some(1 + rounds % 5))) is None:
        rounds += 1
        # Then what is in use stays as it is
        assert rows_of(database_url, kept) == before
    # Then nothing else is left
    assert rounds > 10
    assert rows_of(database_url, kept) == before
    assert [sql(database_url, query)[0][0] for query in LOST] == [0] * len(LOST)
    assert stored - files(tmp_path)
    assert all(f"/{kept}/" in path or "/models/" in path for path in files(tmp_path))
    assert len(files(tmp_path)) == 2


def _filled(api: Api) -> str:
    experiment, gone = api.experiment(), api.experiment()
    model = new_model(api, experiment)
    kept = api.run(experiment)
    fill(api, kept, model=model)
    doomed = [*(api.run(experiment) for _ in range(3)), api.run(gone)]
    for run in doomed:
        fill(api, run, model=model)
    new_model(api, gone)
    api.delete(f"logged-models/{new_model(api, experiment)}").ok()
    for run in doomed[:3]:
        api.post("runs/delete", {"run_id": run}).ok()
    api.post("experiments/delete", {"experiment_id": gone}).ok()
    api.run(api.experiment())
    return kept


async def _destroy(url: str, store: BlobStore, go_on: Some) -> list[Left] | None:
    """What each step leaves; None when it is stopped before the end."""
    database = Database(open_dialect(url))
    database.start()
    try:
        async with store:
            destroyer = Destroyer(database, store, Usage(database), default_experiments)
            steps = (destroyer.runs, destroyer.models, destroyer.experiments)
            return [await step(NOW, go_on) for step in steps]
    except Stopped:
        return None
    finally:
        database.close()


def test_artifacts_that_can_not_be_deleted_are_tried_again(database_url: str, tmp_path: Path) -> None:
    # Given a marked run
    with serve(data=str(tmp_path), database=database_url) as api:
        run = api.run(api.experiment())
        fill(api, run)
        api.post("runs/delete", {"run_id": run}).ok()
        api.run()
    sql(database_url, "UPDATE run SET lifecycle = 2 WHERE lifecycle = 1")
    # When its folder can't be written to
    query = f"SELECT count(*) FROM run WHERE uuid = '{run}'"
    (folder,) = (tmp_path / "artifacts").glob(f"*/*/{run}/artifacts/a")
    left = asyncio.run(_destroy(database_url, _Broken(tmp_path / "artifacts"), Some(1000)))
    # Then its row says that there is something to go on with
    assert left == [Left(failed=True), Left(), Left()]
    assert sql(database_url, query) == [(1,)]
    assert folder.exists()
    # When it can
    left = asyncio.run(_destroy(database_url, _artifacts(tmp_path), Some(1000)))
    # Then
    assert left == [Left()] * 3
    assert sql(database_url, query) == [(0,)]
    assert not folder.exists()


class _Broken(LocalBlobStore):
    async def delete_prefix(self, path: BlobPath) -> Files:
        raise OSError(30, "Read-only file system", path)


def _artifacts(folder: Path) -> LocalBlobStore:
    return LocalBlobStore(folder / "artifacts")


@pytest.mark.parametrize("is_model", [False, True])
def test_an_upload_that_ends_after_the_purge_leaves_nothing(
    database_url: str, tmp_path: Path, is_model: bool
) -> None:
    # Given a run, or a model
    with serve(data=str(tmp_path), database=database_url) as api:
        experiment = api.experiment()
        owner = new_model(api, experiment) if is_model else api.run(experiment)
    table, between = ("logged_model", "/models") if is_model else ("run", "")
    path = f"default/{experiment}{between}/{owner}/artifacts/late.bin"

    async def chunks() -> AsyncIterator[bytes]:
        yield b"first"
        # When it is deleted and purged meanwhile
        sql(database_url, f"UPDATE {table} SET lifecycle = 2, deleted_time = 1")
        yield b"second"

    async def upload() -> None:
        database = Database(open_dialect(database_url))
        database.start()
        try:
            async with _artifacts(tmp_path) as store:
                usage = Usage(database)
                room, deleted = (
                    Room(database, Directory(), usage),
                    DeletedFiles(database, store, usage, days=0),
                )
                await Artifacts(database, store, Keys(), room, deleted).write_at(LOCAL, path, chunks(), None)
        finally:
            database.close()

    # Then
    with pytest.raises(NotFound, match=owner):
        asyncio.run(upload())
    assert not any(path.endswith("late.bin") for path in files(tmp_path))
