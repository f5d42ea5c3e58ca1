"""GET /trash, POST /trash/restore: what was deleted is listed and comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.conftest import Api, assert_refused, serve
from tests.api.trash_data import DAY, TRASH, counted, fill, item, names, new_model, sql, trash

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
SIZES = ("runs", "points", "artifact_files", "artifact_bytes")


def test_what_was_deleted_is_listed_with_its_size(api: Api) -> None:
    # Given
    experiment, other = api.experiment("/Shared/x"), api.experiment()
    run, kept = api.run(experiment, run_name="r"), api.run(experiment)
    model = new_model(api, experiment)
    fill(api, run, model=model)
    inside = api.run(other)
    fill(api, inside)
    api.run(other)
    # When
    api.post("runs/delete", {"run_id": run}).ok()
    api.delete(f"logged-models/{model}").ok()
    api.post("experiments/delete", {"experiment_id": other}).ok()
    # Then: the last one first, and nothing that is in use or went with something else
    found = trash(api)
    assert names(found) == [("experiment", other), ("model", model), ("run", run)]
    assert [tuple(one[size] for size in SIZES) for one in found] == [
        (2, 30, 1, 5),
        (0, 1, 1, 5),
        (1, 31, 1, 5),
    ]
    assert found[2] == {
        "kind": "run",
        "id": run,
        "name": "r",
        "experiment_id": experiment,
        "experiment_name": "/Shared/x",
        "deleted_time": found[2]["deleted_time"],
        "purge_time": found[2]["deleted_time"] + 30 * DAY,
        **dict(zip(SIZES, (1, 31, 1, 5), strict=True)),
    }
    assert all(one[size] is None for one in trash(api, sizes="false") for size in SIZES)
    assert kept not in {one["id"] for one in found}


def test_a_run_deleted_by_itself_is_not_listed_while_its_experiment_is(api: Api) -> None:
    # Given
    experiment = api.experiment()
    run, model = api.run(experiment), new_model(api, experiment)
    api.post("runs/delete", {"run_id": run}).ok()
    api.delete(f"logged-models/{model}").ok()
    # When
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # Then
    assert names(trash(api)) == [("experiment", experiment)]
    for one in (item("run", run), item("model", model)):
        reply = api.post(f"{TRASH}/restore", {"items": [one]})
        assert (reply.error, reply.field) == (MISSING, "items[0]")
    # When all is restored at once
    items = [item("run", run), item("model", model), item("experiment", experiment)]
    restored = api.post(f"{TRASH}/restore", {"items": items}).ok()
    # Then
    assert restored == counted(experiments=1, runs=1, models=1)
    assert trash(api) == []


def test_filters_and_pages(api: Api, database_url: str) -> None:
    # Given ten runs in two experiments, a model and an experiment, some deleted at one time
    experiments = [api.experiment(), api.experiment()]
    runs = [api.run(experiments[i % 2]) for i in range(10)]
    model, gone = new_model(api, experiments[0]), api.experiment()
    for run in runs:
        api.post("runs/delete", {"run_id": run}).ok()
    api.delete(f"logged-models/{model}").ok()
    api.post("experiments/delete", {"experiment_id": gone}).ok()
    for i, run in enumerate(runs):
        sql(database_url, f"UPDATE run SET deleted_time = {1000 + i // 3} WHERE uuid = '{run}'")
    sql(database_url, "UPDATE logged_model SET deleted_time = 1001")
    sql(database_url, "UPDATE experiment SET last_update_time = 1001 WHERE lifecycle = 1")
    # Then
    newest_first = [("run", run) for run in reversed(runs)]
    wanted = [
        *newest_first[:4],
        ("experiment", gone),
        *newest_first[4:7],
        ("model", model),
        *newest_first[7:],
    ]
    assert names(trash(api)) == wanted
    for limit in (1, 2, 3, 5, 11, 12, 13):
        assert _pages(api, limit) == wanted
    assert names(trash(api, kind="model")) == [("model", model)]
    assert names(trash(api, kind=["experiment", "model"])) == [("experiment", gone), ("model", model)]
    of_first = [one for one in newest_first if one[1] in runs[::2]]
    assert names(trash(api, kind="run", experiment_id=experiments[0])) == of_first
    assert names(trash(api, experiment_id=gone)) == [("experiment", gone)]
    assert names(trash(api, deleted_before=1001)) == newest_first[7:]
    assert trash(api, deleted_before=1000) == []


def _pages(api: Api, limit: int) -> list[tuple[str, str]]:
    found, token = [], None
    while True:
        query: dict[str, Any] = {"limit": limit, "sizes": "false"}
        page = api.get(TRASH, query if token is None else {**query, "page_token": token}).ok()
        assert len(page["items"]) <= limit
        found += names(page["items"])
        token = page["next_page_token"]
        if token is None:
            return found


def test_restoring_brings_back_all_or_nothing(api: Api) -> None:
    # Given
    experiment = api.experiment("e")
    run, active = api.run(experiment), api.run(experiment)
    model = new_model(api, experiment)
    fill(api, run)
    before = api.get("runs/get", {"run_id": run}).ok()
    api.post("runs/delete", {"run_id": run}).ok()
    api.delete(f"logged-models/{model}").ok()
    # When one of them isn't in the trash
    items = [item("run", run), item("model", model), item("run", active)]
    reply = api.post(f"{TRASH}/restore", {"items": items})
    # Then
    assert (reply.error, reply.field) == (MISSING, "items[2]")
    assert len(trash(api)) == 2
    # When
    restored = api.post(f"{TRASH}/restore", {"items": items[:2]}).ok()
    # Then
    assert restored == counted(runs=1, models=1)
    assert api.get("runs/get", {"run_id": run}).ok() == before
    assert api.get(f"logged-models/{model}").status == 200
    assert trash(api) == []


@pytest.mark.parametrize("days", [0, 1, 365])
def test_the_time_of_going_follows_the_setting(days: int, tmp_path: Path) -> None:
    with serve(data=str(tmp_path), trash_days=days) as api:
        api.post("runs/delete", {"run_id": api.run()}).ok()
        (found,) = trash(api)
        assert found["purge_time"] == (found["deleted_time"] + days * DAY if days else None)


NOBODY = {
    "a run": item("run", "0" * 32),
    "no id of a run": item("run", ""),
    "a model": item("model", "m-nope"),
    "an experiment": item("experiment", "99"),
    "no id of an experiment": item("experiment", "x"),
    "an active experiment": item("experiment", "0"),
    "a workspace": item("workspace", "nope"),
    "an active workspace": item("workspace", "default"),
}
BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing to restore": ("restore", {"items": []}, "items"),
    "too much to restore": ("restore", {"items": [item("run", "x")] * 1001}, "items"),
    "an unknown kind": ("restore", {"items": [item("metric", "x")]}, "items[0].kind"),
    "nothing to purge": ("purge", {}, "items"),
    "items and all": ("purge", {"items": [item("run", "x")], "all": True}, "items"),
    "items and a filter": ("purge", {"items": [item("run", "x")], "kind": ["run"]}, "items"),
    "a filter alone": ("purge", {"deleted_before": 5}, "items"),
    "too much to purge": ("purge", {"items": [item("run", "x")] * 1001}, "items"),
    "no experiment's id": ("purge", {"all": True, "experiment_id": "x"}, "experiment_id"),
    "a negative time": ("purge", {"all": True, "deleted_before": -1}, "deleted_before"),
}
BAD_LISTS: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown kind": ({"kind": "metric"}, "kind[0]"),
    "no experiment's id": ({"experiment_id": "-1"}, "experiment_id"),
    "no limit": ({"limit": 0}, "limit"),
    "a large limit": ({"limit": 1001}, "limit"),
    "no token": ({"page_token": "x"}, "page_token"),
    "an odd time": ({"deleted_before": "yesterday"}, "deleted_before"),
}


def test_what_is_not_in_the_trash_is_missing(api: Api) -> None:
    for path in ("restore", "purge"):
        replies = {name: api.post(f"{TRASH}/{path}", {"items": [one]}) for name, one in NOBODY.items()}
        assert_refused(replies, dict.fromkeys(NOBODY, "items[0]"), MISSING)


def test_what_is_refused(api: Api) -> None:
    replies = {name: api.post(f"{TRASH}/{path}", sent) for name, (path, sent, _) in BAD.items()}
    assert_refused(replies, {name: field for name, (_, _, field) in BAD.items()})
    replies = {name: api.get(TRASH, query) for name, (query, _) in BAD_LISTS.items()}
    assert_refused(replies, {name: field for name, (_, field) in BAD_LISTS.items()})


def test_a_token_belongs_to_its_filter(api: Api) -> None:
    # Given
    for _ in range(2):
        api.post("runs/delete", {"run_id": api.run()}).ok()
    token = api.get(TRASH, {"limit": 1}).ok()["next_page_token"]
    # Then
    reply = api.get(TRASH, {"limit": 1, "page_token": token, "kind": "run"})
    assert (reply.error, reply.field) == (INVALID, "page_token")
