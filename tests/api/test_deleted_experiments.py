"""What a deleted experiment holds is deleted with it, at once, and comes back with it."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
VIEWS = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")


def found(api: Api, *experiments: str, view: str = "ACTIVE_ONLY", **sent: object) -> set[str]:
    """The ids of the runs that a search finds."""
    asked = {"experiment_ids": experiments, "run_view_type": view, **sent}
    return {run["info"]["run_id"] for run in api.post("runs/search", asked).ok().get("runs", [])}


@pytest.mark.parametrize("order", [[], ["params.p"], ["start_time"]])
def test_searches_show_its_runs_as_deleted(api: Api, order: list[str]) -> None:
    # Given a run deleted before its experiment was, one that wasn't, and one elsewhere
    experiment, other = api.experiment(), api.experiment()
    before, with_it, elsewhere = api.run(experiment), api.run(experiment), api.run(other)
    api.post("runs/delete", {"run_id": before}).ok()
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # Then
    for places, active, deleted in (
        ([experiment], set(), {before, with_it}),
        ([experiment, other], {elsewhere}, {before, with_it}),
    ):
        for view, wanted in zip(VIEWS, (active, deleted, active | deleted), strict=True):
            assert found(api, *places, view=view, order_by=order) == wanted
        for stage, wanted in (("active", active), ("deleted", deleted)):
            sent = {"filter": f"lifecycle_stage = '{stage}'", "order_by": order}
            assert found(api, *places, view="ALL", **sent) == wanted
    assert {run["info"]["lifecycle_stage"] for run in _runs(api, experiment)} == {"deleted"}
    # When
    api.post("experiments/restore", {"experiment_id": experiment}).ok()
    # Then
    assert [found(api, experiment, view=view, order_by=order) for view in VIEWS] == [
        {with_it},
        {before},
        {before, with_it},
    ]


def _runs(api: Api, experiment: str) -> list[dict[str, dict[str, str]]]:
    sent = {"experiment_ids": [experiment], "run_view_type": "ALL"}
    runs: list[dict[str, dict[str, str]]] = api.post("runs/search", sent).ok()["runs"]
    return runs


def test_its_runs_can_be_read_and_neither_written_nor_restored_alone(api: Api) -> None:
    # Given
    experiment = api.experiment()
    run = api.run(experiment)
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # Then
    for path, sent in (
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1}),
        ("runs/set-tag", {"key": "t", "value": "x"}),
        ("runs/update", {"status": "FINISHED"}),
        ("runs/restore", {}),
    ):
        reply = api.post(path, {"run_id": run, **sent})
        assert (reply.error, reply.field) == (INVALID, "run_id")
    assert "restore the experiment first" in api.post("runs/restore", {"run_id": run}).message
    # Then: deleting it once more changes nothing
    api.post("runs/delete", {"run_id": run}).ok()
    api.post("experiments/restore", {"experiment_id": experiment}).ok()
    assert found(api, experiment) == {run}


def test_its_models_go_and_come_back_with_it(api: Api) -> None:
    # Given
    experiment = api.experiment()
    model = api.post("logged-models", {"experiment_id": experiment}).ok()["model"]["info"]["model_id"]
    search = {"experiment_ids": [experiment]}
    # When
    api.post("experiments/delete", {"experiment_id": experiment}).ok()
    # Then
    assert api.get(f"logged-models/{model}").error == MISSING
    assert api.get(f"logged-models/{model}", {"allow_deleted": "true"}).ok()["model"]["info"]
    assert api.post("logged-models/search", search).ok() == {}
    # When
    api.post("experiments/restore", {"experiment_id": experiment}).ok()
    # Then
    assert api.get(f"logged-models/{model}").status == 200
    assert len(api.post("logged-models/search", search).ok()["models"]) == 1
