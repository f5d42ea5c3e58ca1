"""Every MLflow endpoint answers alike at each of its addresses."""

from __future__ import annotations

from typing import Any

from tests.api.conftest import Api, Reply

BASES = ("/api/2.0/mlflow/", "/ajax-api/2.0/mlflow/", "/api/3.0/mlflow/", "/ajax-api/3.0/mlflow/")
ARTIFACTS = tuple(base.replace("/mlflow/", "/mlflow-artifacts/artifacts") for base in BASES)


def answer(reply: Reply) -> tuple[int, Any, bytes]:
    """What two addresses must agree on: all but the request's own id."""
    if isinstance(reply.body, dict):
        return reply.status, {k: v for k, v in reply.body.items() if k != "request_id"}, b""
    return reply.status, reply.body, reply.content


def alike(replies: list[Reply]) -> Reply:
    """The one answer that all gave."""
    assert [answer(reply) for reply in replies] == [answer(replies[0])] * len(BASES)
    return replies[0]


def test_reading_and_refusing_is_the_same_at_every_address(api: Api) -> None:
    # Given
    experiment = api.experiment("twins")
    run = api.run(experiment, run_name="r")
    model = api.post("logged-models", {"experiment_id": experiment}).ok()["model"]["info"]["model_id"]
    point = {"key": "m", "value": 1, "timestamp": 1}
    api.post("runs/log-metric", {"run_id": run, **point}).ok()
    dataset = {"name": "d", "digest": "1", "source_type": "t", "source": "s"}
    api.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": dataset}]}).ok()
    reads: list[tuple[str, str, Any, int]] = [
        ("GET", f"experiments/get?experiment_id={experiment}", None, 200),
        ("GET", "experiments/get?experiment_id=99", None, 404),
        ("GET", "experiments/get-by-name?experiment_name=twins", None, 200),
        ("GET", "experiments/search?max_results=5", None, 200),
        ("POST", "experiments/search", {"filter": "name = 'twins'"}, 200),
        ("POST", "experiments/search", {"filter": "bogus"}, 400),
        ("POST", "experiments/search-datasets", {"experiment_ids": [experiment]}, 200),
        ("GET", f"runs/get?run_id={run}", None, 200),
        ("GET", "runs/get", None, 400),
        ("POST", "runs/search", {"experiment_ids": [experiment]}, 200),
        ("POST", "runs/log-metric", {"run_id": run, "key": "m"}, 400),
        ("POST", "runs/log-batch", {"run_id": "nope"}, 404),
        ("GET", f"metrics/get-history?run_id={run}&metric_key=m", None, 200),
        ("GET", f"metrics/get-history-bulk?run_id={run}&metric_key=m", None, 200),
        ("GET", f"metrics/get-history-bulk-interval?run_ids={run}&metric_key=m", None, 200),
        ("GET", f"logged-models/{model}", None, 200),
        ("GET", "logged-models/m-nope", None, 404),
        ("POST", "logged-models/search", {"experiment_ids": [experiment]}, 200),
        ("GET", f"logged-models/{model}/artifacts/directories", None, 200),
        ("GET", f"artifacts/list?run_id={run}", None, 200),
        ("GET", "server-info", None, 200),
        ("GET", "registered-models/get?name=x", None, 501),
    ]
    for method, path, body, status in reads:
        # When, Then
        assert alike([api.request(method, base + path, body) for base in BASES]).status == status, path
    nothing = [api.get(f"{base}runs/nope") for base in BASES]
    assert {reply.error for reply in nothing} == {(404, "ENDPOINT_NOT_FOUND")}


def test_writing_at_one_address_is_seen_at_all(api: Api) -> None:
    # Given
    experiment = api.experiment()
    for i, base in enumerate(BASES):
        # When
        run = api.post(f"{base}runs/create", {"experiment_id": experiment}).ok()["run"]["info"]["run_id"]
        api.post(f"{base}runs/log-metric", {"run_id": run, "key": "m", "value": i, "timestamp": 1}).ok()
        api.post(f"{base}runs/log-parameter", {"run_id": run, "key": "p", "value": str(i)}).ok()
        api.post(f"{base}runs/set-tag", {"run_id": run, "key": "t", "value": str(i)}).ok()
        api.post(f"{base}runs/update", {"run_id": run, "status": "FINISHED"}).ok()
        # Then
        found = alike([api.get(f"{other}runs/get", {"run_id": run}) for other in BASES]).ok()["run"]
        assert found["info"]["status"] == "FINISHED"
        assert found["data"]["metrics"][0]["value"] == i
        assert found["data"]["params"][0]["value"] == str(i)
        # When
        api.post(f"{base}runs/delete", {"run_id": run}).ok()
        # Then
        assert api.post("runs/search", {"experiment_ids": [experiment]}).ok() == {}


def test_artifacts_are_the_same_at_every_address(api: Api) -> None:
    # Given
    run = api.run()
    uri = api.get("runs/get", {"run_id": run}).ok()["run"]["info"]["artifact_uri"]
    root = uri.removeprefix("mlflow-artifacts:/")
    for i, base in enumerate(ARTIFACTS):
        path = f"{base}/{root}/f{i}"
        # When
        api.request("PUT", path, content=b"%d" % i).ok()
        # Then
        found = alike([api.get(f"{other}/{root}/f{i}") for other in ARTIFACTS])
        assert found.content == b"%d" % i
        listed = alike([api.get(other, {"path": root}) for other in ARTIFACTS]).ok()["files"]
        assert [x["path"] for x in listed] == [f"f{i}"]
        # When
        api.delete(path).ok()
        # Then
        assert alike([api.get(f"{other}/{root}/f{i}") for other in ARTIFACTS]).status == 404
    for base in BASES:
        upload = base.replace("/mlflow/", "/mlflow-artifacts/mpu/create/") + root
        assert api.post(upload, {"path": "a", "num_parts": 1}).ok()["upload_id"]
        api.request("POST", f"{base}upload-artifact?run_uuid={run}&path=up", content=b"x").ok()


def test_the_misspelt_address_answers_too(api: Api) -> None:
    """MLflow's protocol lacks a slash in this one."""
    for path in (
        "/api/2.0mlflow/experiments/search-datasets",
        "/ajax-api/2.0mlflow/experiments/search-datasets",
    ):
        assert api.post(path, {"experiment_ids": ["0"]}).ok() == {}


def test_slashes_too_many_are_overlooked(api: Api) -> None:
    for path in ("/api/2.0/mlflow/experiments/get/", "/api//2.0/mlflow//experiments/get"):
        assert api.get(path, {"experiment_id": "0"}).ok()["experiment"]["name"] == "Default"


def test_a_get_may_send_its_values_as_a_body(api: Api) -> None:
    # Given
    run = api.run()
    # Then
    for path, sent in (
        ("experiments/get", {"experiment_id": "0"}),
        ("runs/get", {"run_id": run}),
        ("metrics/get-history", {"run_id": run, "metric_key": "m"}),
        ("metrics/get-history-bulk", {"run_id": [run], "metric_key": "m"}),
        ("artifacts/list", {"run_id": run}),
    ):
        assert answer(api.request("GET", path, sent)) == answer(api.get(path, sent))
        assert api.request("GET", path, sent).status == 200
    # Then: a query goes before a body
    both = api.request("GET", "experiments/get", {"experiment_id": "99"}, query={"experiment_id": "0"})
    assert both.ok()["experiment"]["name"] == "Default"
