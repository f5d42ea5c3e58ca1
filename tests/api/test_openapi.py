"""The OpenAPI document tells the truth: every operation answers as it says, to what it allows and forbids."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import Api, serve

HOST = "http://127.0.0.1"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# The same requests in every run.
BOUNDED = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Server:
    """A server with something of every kind in it, and the names of what is there."""

    def __init__(self, api: Api) -> None:
        self.api = api
        experiment = api.experiment()
        run = api.run(experiment, tags=[{"key": "t", "value": "1"}])
        model = api.post("logged-models", {"experiment_id": experiment, "name": "n"}).ok()["model"]["info"]
        points = [{"key": "m", "value": v, "timestamp": 1, "step": i} for i, v in enumerate((1, "NaN", 2.5))]
        dataset = {
            "name": "d",
            "digest": "1",
            "source_type": "t",
            "source": "s",
            "schema": "{}",
            "profile": "{}",
        }
        for path, sent in (
            ("runs/log-batch", {"metrics": points, "params": [{"key": "p", "value": "1"}]}),
            ("runs/log-metric", {**points[0], "model_id": model["model_id"]}),
            ("runs/log-inputs", {"datasets": [{"dataset": dataset, "tags": [{"key": "a", "value": "b"}]}]}),
            ("runs/outputs", {"models": [{"model_id": model["model_id"], "step": 1}]}),
            ("runs/update", {"status": "FINISHED", "end_time": 2}),
        ):
            api.post(path, {"run_id": run, **sent}).ok()
        root = model["artifact_uri"].removeprefix("mlflow-artifacts:/")
        api.request("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{root}/a/b.txt", content=b"hello").ok()
        # With a login, as the first user that a request might make would need one from then on.
        native, somebody = "/api/runyard/1", ("somebody", "a good password")
        api.post(f"{native}/service-principals", {"name": "program"}).ok()
        api.post(f"{native}/groups", {"name": "group"}).ok()
        api.post(f"{native}/users", {"name": somebody[0], "password": somebody[1], "is_admin": True}).ok()
        self.api = api.as_(password=somebody)
        # Nothing of this can lock the caller out: it is the last administrator.
        self.in_path = {
            "run_id": run,
            "workspace": "default",
            "name": "somebody",
            "member": "somebody",
            "role": "Reader",
        }
        self.names = {"service-principals": "program", "groups": "group", "roles": "Curator"}
        self.known: dict[str, Any] = {
            "experiment_id": experiment,
            "experiment_ids": [experiment],
            "experiment_name": "Default",
            "principal": "somebody",
            "run_id": run,
            "run_ids": [run],
            "model_id": model["model_id"],
            "metric_key": "m",
            "artifact_file_path": "a/b.txt",
            "artifact_directory_path": "a",
            "keys": ["m"],
            "filter": "",
            "order_by": None,
            "page_token": None,
            "max_results": 3,
            "view_type": "ALL",
            "run_view_type": "ALL",
        }

    def with_known(self, case: Any) -> Any:
        """The case with the names of things that exist, so that there is something to answer."""
        known = {**self.known, "path": "a/b.txt"}
        if isinstance(case.path_parameters, dict):
            noun = case.operation.path.removeprefix("/api/runyard/1/").partition("/")[0]
            found = {**self.in_path, "name": self.names.get(noun, "somebody")}
            case.path_parameters.update({k: v for k, v in found.items() if k in case.path_parameters})
        for part in (case.path_parameters, case.query, case.body):
            if isinstance(part, dict):
                for name in part.keys() & known.keys():
                    part[name] = known[name]
        if isinstance(case.query, dict):
            case.query = {name: value for name, value in case.query.items() if value is not None}
        return case

    def call(self, case: Any) -> httpx.Response:
        """The server's answer to a case."""
        sent: Any = requests.Request(**case.as_transport_kwargs(base_url=HOST)).prepare()
        content = sent.body.encode() if isinstance(sent.body, str) else sent.body
        reply = self.api.request(
            sent.method, sent.url.removeprefix(HOST), content=content or b"", headers=sent.headers
        )
        answer = httpx.Response(
            reply.status,
            headers=reply.headers,
            content=reply.content,
            request=httpx.Request(sent.method, sent.url),
        )
        answer.elapsed = timedelta()
        return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on SQLite, for all operations together."""
    with serve(data=str(tmp_path_factory.mktemp("data"))) as api:
        yield Server(api)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_answers_as_the_document_says(server: Server, mode: GenerationMode) -> None:
    known = mode is GenerationMode.POSITIVE
    document = server.api.get("/api/openapi.json").ok()
    schema: Any = schemathesis.openapi.from_dict(document)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == sum(len(path) for path in document["paths"].values())
    answered = 0
    for operation in operations:
        cases = operation.as_strategy(generation_mode=mode)

        @BOUNDED
        @given(cases.map(server.with_known) if known else cases)
        def check(case: Any) -> None:
            nonlocal answered
            answer = server.call(case)
            case.validate_response(answer, checks=CHECKS)
            answered += answer.status_code == 200

        with suppress(Unsatisfiable):  # what takes nothing can't be asked wrongly
            check()
    assert not known or answered > 100
    assert server.api.get("/api/runyard/1/whoami").ok()["name"] == "somebody"
