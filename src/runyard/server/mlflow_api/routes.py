"""The table of MLflow's endpoints that this server answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from starlette.responses import Response
from starlette.types import Scope

from runyard.server.mlflow_api.refused import refusal_of
from runyard.server.web import Route, Twin

# MLflow has most endpoints in version 2.0 and some in 3.0; here each answers under both.
ADDRESSES = Twin(("/api/2.0", "/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"))


class Endpoints(Protocol):
    """The endpoints of one noun."""

    def routes(self) -> list[Route]:
        """Their routes, without the prefix."""


class MlflowApi:
    """All of MLflow's endpoints."""

    def __init__(self, groups: Sequence[Endpoints]) -> None:
        self._groups = groups

    def routes(self) -> list[Route]:
        """Every route, under each of its addresses."""
        return [
            twin for group in self._groups for route in group.routes() for twin in ADDRESSES.expand(route)
        ]

    async def refuse(self, scope: Scope) -> Response:
        """Raise the reason why there is no answer at the request's path."""
        raise refusal_of(scope["path"])
