"""What MLflow's clients ask before they use a feature that not every server has."""

from __future__ import annotations

import msgspec

from runyard.server.auth import Permission
from runyard.server.web import Call, Route


class Features(msgspec.Struct, frozen=True):
    """Parts of MLflow's own pages."""

    gateway: bool = False


class ServerInfo(msgspec.Struct, frozen=True):
    """server-info; every field is always there.

    Attributes:
        store_type: `SqlStore`; clients only report it.
        workspaces_enabled: without it a client with an active workspace refuses to go on.
        trace_archival_enabled: traces aren't stored here.
        multipart_uploads_enabled: large files go up in parts, through this server.
        multipart_downloads_enabled: needs addresses in an object store that the client can read itself;
            without it files come through this server, in one stream.
        presigned_upload_run_id_supported, presigned_upload_model_id_supported: needs the same.
        features_enabled: parts of MLflow's own pages.
    """

    multipart_uploads_enabled: bool
    multipart_downloads_enabled: bool = False
    store_type: str = "SqlStore"
    workspaces_enabled: bool = True
    trace_archival_enabled: bool = False
    presigned_upload_run_id_supported: bool = False
    presigned_upload_model_id_supported: bool = False
    features_enabled: Features = Features()


class ServerInfoEndpoints:
    """Handler of `/mlflow/server-info`.

    Args:
        multipart_uploads: whether the artifact store takes files in parts.
    """

    def __init__(self, *, multipart_uploads: bool) -> None:
        self._info = ServerInfo(multipart_uploads_enabled=multipart_uploads)

    def routes(self) -> list[Route]:
        """The table of these endpoints."""
        return [
            Route(
                method="GET",
                path="/mlflow/server-info",
                handler=self.get,
                # Clients ask before they log in; it tells nothing that is anybody's.
                permission=Permission.PUBLIC,
                summary="What this server can do",
                response=ServerInfo,
                tag="server",
            )
        ]

    async def get(self, call: Call) -> ServerInfo:
        """server-info"""
        del call
        return self._info
