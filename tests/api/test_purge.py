"""POST /trash/purge, and what goes by itself: nothing of it is left, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, serve
from tests.api.run_data import history
from tests.api.trash_data import (
    DAY,
    TABLES,
    TRASH,
    age,
    counted,
    counts,
    events,
    fill,
    item,
    names,
    new_model,
    purge,
    settle,
    sql,
    trash,
    upload,
)

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
MINUTE = 60_000


def look(api: Api, run: str) -> tuple[Any, ...]:
    """All that a client sees of a run."""
    shown = api.get("runs/get", {"run_id": run}).ok()
    folder = api.get("artifacts/list", {"run_id": run, "path": "a"}).ok()
    return shown, [history(api, run, f"m{i}") for i in range(3)], folder


def files(folder: Path) -> list[str]:
    """The artifacts that are stored."""
    root = folder / "artifacts"
    found = (str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    return sorted(path for path in found if not path.startswith("."))


def finish(api: Api, database_url: str) -> None:
    """Let the rows go that stay a minute for what another process may still write to them."""
    age(database_url, 2 * MINUTE)
    settle(api)


def test_nothing_of_a_purged_run_is_left(api: Api, database_url: str, tmp_path: Path) -> None:
    # Given two runs that read a dataset together, and each one of its own
    experiment = api.experiment()
    model = new_model(api, experiment)
    kept = api.run(experiment)
    fill(api, kept, model=model)
    before, there, stored = look(api, kept), counts(database_url), files(tmp_path)
    measured = api.get(f"logged-models/{model}").ok()
    run = api.run(experiment)
    fill(api, run, model=model)
    api.run(experiment)
    there["run"] += 1
    there["run_tag"] += 1
    sql(
        database_url,
        "INSERT INTO token (hash, kind, principal_id, name, run_uuid, creation_time, expiry_time) "
        f"VALUES ('x', 3, 1, '', '{run}', 0, 0)",
    )
    api.post("runs/delete", {"run_id": run}).ok()
    # When it is only tried
    told = purge(api, item("run", run), dry_run=True)
    # Then
    assert told == {
        "dry_run": True,
        "done": False,
        **counted(runs=1),
        "points": 31,
        "artifact_files": 1,
        "artifact_bytes": 5,
    }
    assert names(trash(api)) == [("run", run)]
    # When
    assert purge(api, item("run", run)) == {**told, "dry_run": False, "done": True}
    # Then
    assert api.get("runs/get", {"run_id": run}).error == MISSING
    assert trash(api) == []
    finish(api, database_url)
    assert counts(database_url) == there
    assert files(tmp_path) == stored
    assert look(api, kept) == before
    assert api.get(f"logged-models/{model}").ok() == measured


def test_a_purged_run_is_missing_everywhere(api: Api) -> None:
    # Given
    experiment = api.experiment()
    run = api.run(experiment)
    fill(api, run)
    api.post("runs/delete", {"run_id": run}).ok()
    purge(api, item("run", run))
    # Then
    writes: list[tuple[str, dict[str, Any]]] = [
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("runs/log-batch", {"metrics": [{"key": "m", "value": 1, "timestamp": 1}]}),
        ("runs/log-parameter", {"key": "q", "value": "1"}),
        ("runs/set-tag", {"key": "t", "value": "y"}),
        ("runs/delete-tag", {"key": "t"}),
        ("runs/update", {"status": "FINISHED"}),
        ("runs/log-inputs", {"datasets": []}),
        ("runs/delete", {}),
        ("runs/restore", {}),
    ]
    for path, sent in writes:
        assert api.post(path, {"run_id": run, **sent}).error == MISSING
    assert api.get("metrics/get-history", {"run_id": run, "metric_key": "m0"}).error == MISSING
    assert api.get("artifacts/list", {"run_id": run}).error == MISSING
    assert upload(api, f"default/{experiment}/{run}/artifacts/x").error == MISSING
    asked = {"experiment_ids": [experiment], "run_view_type": "ALL"}
    assert api.post("runs/search", asked).ok() == {}
    for path in ("restore", "purge"):
        assert api.post(f"{TRASH}/{path}", {"items": [item("run", run)]}).error == MISSING


def test_nothing_of_a_purged_experiment_is_left(api: Api, database_url: str, tmp_path: Path) -> None:
    # Given
    kept = api.run(api.experiment("kept"))
    fill(api, kept)
    before, there, stored = look(api, kept), counts(database_url), files(tmp_path)
    experiment = api.experiment("gone", tags=[{"key": "a", "value": "1"}])
    runs = [api.run(experiment) for _ in range(5)]
    model = new_model(api, experiment)
    for run in runs:
        fill(api, run, model=model)
    api.post("runs/delete", {"run_id": runs[0]}).ok()
    sql(database_url, f"INSERT INTO experiment_rule VALUES (1, 7, {experiment}, 3)")
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # When
    told = purge(api, item("experiment", experiment))
    # Then
    size = {"runs": 5, "points": 155, "artifact_files": 6, "artifact_bytes": 30}
    assert {key: told[key] for key in (*size, "experiments")} == {**size, "experiments": 1}
    assert told["done"]
    for path, query in (
        ("experiments/get", {"experiment_id": experiment}),
        ("experiments/get-by-name", {"experiment_name": "gone"}),
        ("runs/get", {"run_id": runs[1]}),
        (f"logged-models/{model}", {"allow_deleted": "true"}),
    ):
        assert api.get(path, query).error == MISSING
    # Then: its name is free, its id isn't given again
    again = api.experiment("gone")
    assert int(again) > int(experiment)
    assert api.post("runs/search", {"experiment_ids": [experiment, again]}).ok() == {}
    found = api.post("experiments/search", {"view_type": "ALL"}).ok()["experiments"]
    assert {one["name"] for one in found} == {"Default", "kept", "gone"}
    finish(api, database_url)
    assert counts(database_url) == {**there, "experiment": 3}
    assert files(tmp_path) == stored
    assert look(api, kept) == before


def test_the_id_of_the_last_run_is_not_given_again(api: Api, database_url: str) -> None:
    # Given
    run = api.run()
    ((key,),) = sql(database_url, f"SELECT id FROM run WHERE uuid = '{run}'")
    api.post("runs/delete", {"run_id": run}).ok()
    purge(api, item("run", run))
    finish(api, database_url)
    # When
    other = api.run()
    # Then
    assert sql(database_url, f"SELECT id FROM run WHERE uuid = '{other}'")[0][0] > key
    settle(api)
    assert sql(database_url, f"SELECT uuid FROM run WHERE uuid = '{run}'") == []


def test_what_a_purge_frees_is_uncounted(database_url: str, tmp_path: Path) -> None:
    # Given
    with serve(data=str(tmp_path), database=database_url) as api:
        experiment, gone = api.experiment(), api.experiment()
        kept, run, inside = api.run(experiment), api.run(experiment), api.run(gone)
        for one in (kept, run, inside):
            fill(api, one)
        api.post("runs/delete", {"run_id": run}).ok()
        api.post("experiments/delete", {"experiment_id": gone}).ok()
        # When
        purge(api)
        finish(api, database_url)
    # Then the sums are those of what is left
    ((key,),) = sql(database_url, f"SELECT id FROM run WHERE uuid = '{kept}'")
    assert sql(database_url, "SELECT scope, id, points, runs, size, files FROM usage ORDER BY scope, id") == [
        (0, 1, 30, 1, 5, 1),
        (1, int(experiment), 30, 1, 5, 1),
        (2, key, 0, 0, 5, 1),
    ]


def test_everything_that_a_filter_finds_goes(api: Api, database_url: str) -> None:
    # Given
    experiments = [api.experiment() for _ in range(3)]
    runs = {e: [api.run(e) for _ in range(3)] for e in experiments}
    model = new_model(api, experiments[0])
    for run in (run for e in experiments[:2] for run in runs[e][:2]):
        api.post("runs/delete", {"run_id": run}).ok()
    api.delete(f"logged-models/{model}").ok()
    api.post("experiments/delete", {"experiment_id": experiments[2]}).ok()
    # When
    told = purge(api, kind=["run"], experiment_id=experiments[0])
    # Then
    assert (told["runs"], told["models"], told["experiments"]) == (2, 0, 0)
    assert names(trash(api, kind="run")) == [("run", run) for run in reversed(runs[experiments[1]][:2])]
    # When
    tried, done = purge(api, dry_run=True), purge(api)
    # Then
    assert (done["runs"], done["models"], done["experiments"]) == (5, 1, 1)
    assert {**tried, "dry_run": False, "done": True} == done
    assert trash(api) == []
    finish(api, database_url)
    assert sorted(row[0] for row in sql(database_url, "SELECT uuid FROM run WHERE lifecycle < 2")) == sorted(
        [runs[experiments[0]][2], runs[experiments[1]][2]]
    )


def test_the_default_experiment_is_emptied_and_stays(api: Api, database_url: str) -> None:
    # Given
    run = api.run("0")
    fill(api, run)
    api.post("experiments/delete", {"experiment_id": "0"}).ok()
    # When
    assert purge(api, item("experiment", "0"))["runs"] == 1
    finish(api, database_url)
    # Then
    assert api.get("runs/get", {"run_id": run}).error == MISSING
    assert names(trash(api)) == [("experiment", "0")]
    assert set(counts(database_url)) == {"experiment"}
    # When
    api.post("experiments/restore", {"experiment_id": "0"}).ok()
    # Then
    assert api.get("experiments/get-by-name", {"experiment_name": "Default"}).ok()
    assert api.run("0")


def test_what_has_lain_its_time_goes_by_itself(database_url: str, tmp_path: Path) -> None:
    # Given things deleted 31 days ago, and later ones
    with serve(data=str(tmp_path), database=database_url) as api:
        experiment, gone = api.experiment(), api.experiment("gone")
        old, new, active = (api.run(experiment) for _ in range(3))
        model = new_model(api, experiment)
        inside = api.run(gone)
        for run in (old, new, inside):
            fill(api, run)
        api.post("runs/delete", {"run_id": old}).ok()
        api.delete(f"logged-models/{model}").ok()
        api.post("experiments/delete", {"experiment_id": gone}).ok()
        age(database_url, 31 * DAY)
        api.post("runs/delete", {"run_id": new}).ok()
        before = names(trash(api))
    # When a server runs that keeps things for ever
    with serve(data=str(tmp_path), database=database_url, trash_days=0) as api:
        settle(api)
        # Then
        assert names(trash(api)) == before
    # When it keeps them for 30 days
    with serve(data=str(tmp_path), database=database_url) as api:
        settle(api)
        # Then
        assert names(trash(api)) == [("run", new)]
        for run in (old, inside):
            assert api.get("runs/get", {"run_id": run}).error == MISSING
        assert api.get("runs/get", {"run_id": active}).status == 200
        assert files(tmp_path) == [f"default/{experiment}/{new}/artifacts/a/b.txt"]
        assert api.experiment("gone")
        finish(api, database_url)
    noted = sql(database_url, "SELECT actor, target_type, detail FROM event WHERE action = 'trash.purge'")
    assert {(actor, kind) for actor, kind, _ in noted} == {
        ("runyard", kind) for kind in ("run", "model", "experiment")
    }
    assert all('"after_days":30' in detail and '"count":1' in detail for _, _, detail in noted)


def test_what_is_done_is_noted(api: Api, database_url: str) -> None:
    # Given
    experiment = api.experiment()
    runs = [api.run(experiment) for _ in range(3)]
    for run in runs:
        api.post("runs/delete", {"run_id": run}).ok()
    before = len(events(database_url))
    # When
    api.post(f"{TRASH}/restore", {"items": [item("run", runs[0])]}).ok()
    purge(api, item("run", runs[1]), item("run", runs[2]), dry_run=True)
    purge(api, item("run", runs[1]), item("run", runs[2]))
    purge(api)
    # Then
    ids = f'["{runs[1]}","{runs[2]}"]'
    noted = events(database_url, "actor, workspace_id, action, target_type, target, detail")
    assert noted[before:] == [
        ("local", 1, "trash.restore", "run", runs[0], f'{{"count":1,"ids":["{runs[0]}"]}}'),
        ("local", 1, "trash.purge", "run", "", f'{{"count":2,"ids":{ids}}}'),
    ]


@pytest.mark.parametrize("round_", range(3))
def test_logging_races_with_deleting_and_purging(api: Api, database_url: str, round_: int) -> None:
    # Given
    run = api.run()
    point = {"run_id": run, "key": "m", "value": 1, "timestamp": 1}
    log = [("POST", "runs/log-metric", {**point, "step": i}) for i in range(20)]
    delete = ("POST", "runs/delete", {"run_id": run})
    gone = ("POST", f"{TRASH}/purge", {"items": [item("run", run)]})
    # When
    replies = api.together([*log[: 5 + round_], delete, *log[5 + round_ : 12], gone, *log[12:]])
    # Then each is stored, or refused for a clear reason
    assert {reply.error for reply in replies} <= {(200, None), INVALID, MISSING}
    api.post("runs/delete", {"run_id": run})
    purge(api)
    finish(api, database_url)
    left = counts(database_url)
    assert set(left) <= {"experiment"}, left
    assert set(TABLES) > set(left)
