"""MLflow's endpoints that this server knows and doesn't offer: each is refused with a reason."""

from __future__ import annotations

import re
from typing import NamedTuple

from runyard.server.kernel.errors import EndpointNotFound, NotImplementedHere, RunyardError


class Refusal(NamedTuple):
    """A group of endpoints: what its paths begin with, what it is, and what to do instead."""

    start: str
    what: str
    instead: str


_LATER = "it tracks runs, datasets, logged models and artifacts"
_DIRECT = "upload and download through this server: PUT and GET /api/2.0/mlflow-artifacts/artifacts/..."

REFUSED: tuple[Refusal, ...] = (
    Refusal("mlflow/registered-models", "a model registry", _LATER),
    Refusal("mlflow/model-versions", "a model registry", _LATER),
    Refusal("mlflow/webhooks", "webhooks", _LATER),
    Refusal("mlflow/traces", "tracing of LLM applications", _LATER),
    Refusal("mlflow/unified-traces", "tracing of LLM applications", _LATER),
    Refusal("mlflow/get-online-trace-details", "tracing of LLM applications", _LATER),
    Refusal("mlflow/gateway", "an LLM gateway", _LATER),
    Refusal("mlflow/scorers", "evaluation of LLM applications", _LATER),
    Refusal("mlflow/datasets", "evaluation datasets", "log a run's datasets with runs/log-inputs"),
    Refusal("mlflow/label-schemas", "evaluation of LLM applications", _LATER),
    Refusal("mlflow/review-queues", "evaluation of LLM applications", _LATER),
    Refusal("mlflow/issues", "evaluation of LLM applications", _LATER),
    Refusal("mlflow/prompt-optimization", "prompt optimisation", _LATER),
    Refusal("mlflow/unity-catalog", "Databricks' Unity Catalog", _LATER),
    Refusal("unity-catalog", "Databricks' Unity Catalog", _LATER),
    Refusal("fs", "Databricks' file system", _DIRECT),
    Refusal("mlflow-artifacts/presigned", "presigned addresses", _DIRECT),
    Refusal("mlflow/artifacts/presigned-download-url", "presigned addresses", _DIRECT),
    Refusal("mlflow/artifacts/presigned-upload-url", "presigned addresses", _DIRECT),
    Refusal("mlflow/artifacts/get-presigned-upload-part-url", "presigned addresses", _DIRECT),
    Refusal("mlflow/artifacts/credentials-for-read", "Databricks' storage credentials", _DIRECT),
    Refusal("mlflow/artifacts/credentials-for-write", "Databricks' storage credentials", _DIRECT),
    Refusal(
        "mlflow/artifacts/create-multipart-upload",
        "Databricks' uploads in parts",
        "use POST /api/2.0/mlflow-artifacts/mpu/create/...",
    ),
    Refusal(
        "mlflow/artifacts/complete-multipart-upload",
        "Databricks' uploads in parts",
        "use POST /api/2.0/mlflow-artifacts/mpu/complete/...",
    ),
    Refusal("jobs", "MLflow's background jobs", _LATER),
)

_API = re.compile(r"/(?:ajax-)?api/(?P<version>\d+)\.0/(?P<rest>.*)")
_MODEL_CREDENTIALS = re.compile(r"mlflow/logged-models/[^/]+/artifacts/credentials-for-(download|upload)")
_TRACE_LOCATION = re.compile(r"mlflow/experiments/[^/]+/trace-location.*")


def refusal_of(path: str) -> RunyardError:
    """Why this server doesn't answer at a path: a known endpoint that it lacks, or an unknown one."""
    if path == "/graphql":
        return _refused("MLflow's GraphQL interface", "use the REST endpoints")
    found = _API.fullmatch(path)
    if found is None:
        return EndpointNotFound(f"There is nothing at {path[:200]}.")
    rest = found["rest"]
    if found["version"] in ("4", "5"):
        return _refused("Databricks' API version " + found["version"], "use versions 2.0 and 3.0")
    if _MODEL_CREDENTIALS.fullmatch(rest):
        return _refused("Databricks' storage credentials", _DIRECT)
    if _TRACE_LOCATION.fullmatch(rest):
        return _refused("tracing of LLM applications", _LATER)
    for refusal in REFUSED:
        if rest == refusal.start or rest.startswith(refusal.start + "/"):
            return _refused(refusal.what, refusal.instead)
    return EndpointNotFound(f"There is nothing at {path[:200]}.")


def _refused(what: str, instead: str) -> NotImplementedHere:
    return NotImplementedHere(f"This server doesn't offer {what}: {instead}.")
