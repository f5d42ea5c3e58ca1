from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from prometheus_client.parser import text_string_to_metric_families

from runyard import __version__
from runyard.server.db.database import Database
from tests.api.conftest import Api, serve

SERVER_INFO = [
    f"/{api}/{version}/mlflow/server-info" for api in ("api", "ajax-api") for version in ("2.0", "3.0")
]


def _metrics(api: Api) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    reply = api.get("/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.content.decode())
        for sample in family.samples
    }


def test_health_is_ok(api: Api) -> None:
    reply = api.get("/health")
    assert (reply.status, reply.content) == (200, b"OK")
    assert api.request("HEAD", "/health").status == 200


def test_health_is_not_ok_without_database(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a database that is gone
    def fail(self: Database, query: object) -> Any:
        raise self.dialect.error("connection lost")

    monkeypatch.setattr(Database, "read_here", fail)
    # When, Then
    reply = api.get("/health")
    assert reply.error == (503, "TEMPORARILY_UNAVAILABLE")
    assert "connection lost" not in reply.message


def test_health_is_not_ok_while_nothing_can_be_written(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.server.db.writer.Writer.working", False)
    assert api.get("/health").error == (503, "TEMPORARILY_UNAVAILABLE")


def test_the_version_is_plain_text(api: Api) -> None:
    reply = api.get("/version")
    assert (reply.status, reply.content) == (200, __version__.encode())


def test_counters_count(api: Api) -> None:
    # Given
    api.get("experiments/get", {"experiment_id": "0"}).ok()
    api.get("experiments/get", {"experiment_id": "99"})
    before = _metrics(api)
    # When
    api.experiment()
    api.get("/nowhere")
    after = _metrics(api)
    # Then
    get = ("path", "/api/2.0/mlflow/experiments/get"), ("method", "GET")
    assert before["runyard_http_requests_total", frozenset({*get, ("status", "200")})] == 1
    assert before["runyard_http_requests_total", frozenset({*get, ("status", "404")})] == 1
    create = {("path", "/api/2.0/mlflow/experiments/create"), ("method", "POST"), ("status", "200")}
    assert ("runyard_http_requests_total", frozenset(create)) not in before
    assert after["runyard_http_requests_total", frozenset(create)] == 1
    other = {("path", "other"), ("method", "other"), ("status", "404")}
    assert after["runyard_http_requests_total", frozenset(other)] == 1
    groups = "runyard_write_group_size_sum", frozenset[tuple[str, str]]()
    assert after[groups] == before[groups] + 1
    assert after["runyard_write_queue_length", frozenset()] == 0


def test_every_counter_is_documented(api: Api) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "operations.md").read_text()
    suffixes = ("_bucket", "_count", "_sum")
    api.get("/health")
    shown = {name for name, _ in _metrics(api) if name.startswith("runyard_")}
    families = {next((name.removesuffix(s) for s in suffixes if name.endswith(s)), name) for name in shown}
    assert len(families) >= 6
    assert [name for name in families if f"`{name}`" not in text] == []


def test_the_size_of_sqlite_is_shown(api: Api, database_url: str) -> None:
    shown = _metrics(api).get(("runyard_database_bytes", frozenset()))
    if database_url.startswith("sqlite"):
        assert shown is not None
        assert shown > 4096
    else:
        assert shown is None


def test_the_process_and_its_database_are_shown(api: Api, database_url: str) -> None:
    info = next(dict(labels) for name, labels in _metrics(api) if name == "runyard_server_info")
    assert info["version"] == __version__
    assert database_url.startswith(info["database"])
    assert int(info["process"]) > 0


def test_a_client_may_ask_for_the_limits(api: Api, database_url: str) -> None:
    told = api.get("/api/runyard/1/server").ok()
    assert told == {
        "version": __version__,
        "database": database_url.split(":", maxsplit=1)[0],
        "workers": 1,
        "limits": {"body": 32 * 2**20, "database": 0, "artifacts": 0},
    }


@pytest.mark.parametrize("path", SERVER_INFO)
def test_mlflow_clients_learn_what_they_may_use(api: Api, path: str) -> None:
    assert api.get(path).ok() == {
        "store_type": "SqlStore",
        "workspaces_enabled": True,
        "trace_archival_enabled": False,
        "multipart_uploads_enabled": True,
        "multipart_downloads_enabled": False,
        "presigned_upload_run_id_supported": False,
        "presigned_upload_model_id_supported": False,
        "features_enabled": {"gateway": False},
    }


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Api, Any]]:
    with serve(data=str(tmp_path_factory.mktemp("data"))) as api:
        yield api, api.get("/api/openapi.json").ok()


def test_the_openapi_document_is_valid(described: tuple[Api, Any]) -> None:
    _, document = described
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == __version__
    schemathesis.openapi.from_dict(document).validate()


def test_the_openapi_document_tells_every_operation_once(described: tuple[Api, Any]) -> None:
    _, document = described
    operations = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(operations) == len(set(operations))
    assert {"postRunsLogBatch", "getExperimentsGet", "getHealth", "getServer"} <= set(operations)
    assert not any(path.startswith("/ajax-api") for path in document["paths"])


def test_the_openapi_document_stays_the_same(described: tuple[Api, Any]) -> None:
    api, document = described
    assert api.get("/api/openapi.json").ok() == document


def test_a_body_too_large_is_refused(tmp_path: Any) -> None:
    with serve(data=str(tmp_path), max_body_bytes=2000) as api:
        reply = api.post("experiments/create", {"name": "a", "tags": [{"key": "k", "value": "v" * 3000}]})
    assert reply.error == (413, "BAD_REQUEST")
    assert "2,000 bytes" in reply.message


@pytest.mark.parametrize(
    ("path", "field"),
    [("experiments/create", "name"), ("experiments/search", "filter")],
)
def test_a_text_that_one_database_cannot_hold_is_refused_by_both(api: Api, path: str, field: str) -> None:
    reply = api.post(path, {field: "a\x00b"})
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == field


def test_errors_name_the_request(api: Api) -> None:
    first, second = (api.get("/nowhere").body["request_id"] for _ in range(2))
    assert first != second
