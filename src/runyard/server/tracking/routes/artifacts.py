"""`/artifacts/...`."""

from __future__ import annotations

import msgspec

from runyard.server.auth import Permission
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.service import Artifacts
from runyard.server.web import Call, Route
from runyard.server.web.native import native


class DeleteArtifact(msgspec.Struct):
    """Names a file or folder of a run or of a logged model.

    Attributes:
        run_id, model_id: whose it is; one of both.
        path: relative to the root of its artifacts; empty for all of them.
    """

    path: str
    run_id: str | None = None
    model_id: str | None = None


class ArtifactDeleted(msgspec.Struct):
    """What lies in the trash now. The time is in milliseconds since the epoch.

    Attributes:
        id: its id there: `{"kind": "artifact", "id": ...}` restores it.
        path: what it was called.
        artifact_files, artifact_bytes: what it takes.
        purge_time: when it goes by itself; null for never.
    """

    id: str
    path: str
    artifact_files: int
    artifact_bytes: int
    purge_time: int | None


class DeletionRoutes:
    """Handlers of `/artifacts/...`."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        return [
            native(
                "POST",
                "/artifacts/delete",
                self.delete,
                DeleteArtifact,
                ArtifactDeleted,
                Permission.ARTIFACT_DELETE,
                "Move an artifact file or folder to the trash",
            )
        ]

    async def delete(self, call: Call) -> ArtifactDeleted:
        """artifacts/delete"""
        sent: DeleteArtifact = call.body
        if sent.run_id and not sent.model_id:
            gone = await self._artifacts.delete_of_run(call.principal, sent.run_id, sent.path)
        elif sent.model_id and not sent.run_id:
            gone = await self._artifacts.delete_of_model(call.principal, sent.model_id, sent.path)
        else:
            raise InvalidArgument("Name a run or a model: send 'run_id' or 'model_id'.", field="run_id")
        return ArtifactDeleted(gone.id, gone.path, gone.files, gone.size, gone.purge_time)
