"""`/experiments/{experiment_id}/...`."""

from __future__ import annotations

import msgspec

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.service import Experiments
from runyard.server.web import Call, Route
from runyard.server.web.native import Done, native


class RestoreExperiment(msgspec.Struct):
    """How an experiment comes back from the trash; without a `name`, under its own."""

    name: str | None = None


class ExperimentRoutes:
    """Handlers of `/experiments/{experiment_id}/...`."""

    def __init__(self, experiments: Experiments) -> None:
        self._experiments = experiments

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        return [
            native(
                "POST",
                "/experiments/{experiment_id}/restore",
                self.restore,
                RestoreExperiment,
                Done,
                Permission.EXPERIMENT_DELETE,
                "Bring an experiment back, under another name if its own is taken",
            )
        ]

    async def restore(self, call: Call) -> Done:
        """POST experiments/{experiment_id}/restore"""
        await self._experiments.restore(call.principal, experiment_id_of(call), call.body.name)
        return Done()


def experiment_id_of(call: Call) -> int:
    """The experiment that a path names."""
    text = call.path["experiment_id"]
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidArgument(
            f"Invalid experiment ID '{text[:100]}'; it is a whole number.", field="experiment_id"
        )
    return int(text)
