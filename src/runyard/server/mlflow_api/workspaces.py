"""MLflow's choice of a workspace, on a server that has one."""

from __future__ import annotations

from starlette.types import Scope

from runyard.server.kernel.errors import InvalidArgument

_HEADER = b"x-mlflow-workspace"
_ONLY = b"default"


def refuse_other_workspaces(scope: Scope) -> None:
    """Check that a request doesn't name another workspace: its data would land where it doesn't belong.

    Raises:
        InvalidArgument: it does.
    """
    for name, value in scope["headers"]:
        if name == _HEADER and value != _ONLY and not scope["path"].endswith("/mlflow/server-info"):
            shown = value[:100].decode("latin-1")
            raise InvalidArgument(
                f"There is no workspace '{shown}': this server has one, which is called 'default'. Leave the "
                "header X-MLFLOW-WORKSPACE (in the client: MLFLOW_WORKSPACE) out.",
                field="X-MLFLOW-WORKSPACE",
            )
