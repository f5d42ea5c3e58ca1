"""The table of MLflow's endpoints that this server answers."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import Scope

from runyard.server.kernel.errors import EndpointNotFound
from runyard.server.mlflow_api.experiments import ExperimentEndpoints
from runyard.server.mlflow_api.logging import LoggingEndpoints
from runyard.server.mlflow_api.runs import RunEndpoints
from runyard.server.tracking.service import Experiments, RunLog, Runs, RunSearch
from runyard.server.web import Route, Twin

V2 = Twin(("/api/2.0", "/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"))


class MlflowApi:
    """All of MLflow's endpoints."""

    def __init__(self, *, experiments: Experiments, runs: Runs, log: RunLog, search: RunSearch) -> None:
        self._routes = [
            twin
            for route in (
                *ExperimentEndpoints(experiments).routes(),
                *RunEndpoints(runs, search).routes(),
                *LoggingEndpoints(log).routes(),
            )
            for twin in V2.expand(route)
        ]

    def routes(self) -> list[Route]:
        """Every route, under each of its addresses."""
        return self._routes

    async def refuse(self, scope: Scope) -> Response:
        """Says clearly what this server doesn't offer."""
        raise EndpointNotFound(f"There is nothing at {scope['path']}.")
