"""Which workspace a request is about: `/w/NAME` before its path, or the header X-MLFLOW-WORKSPACE."""

from __future__ import annotations

from starlette.types import Scope

from runyard.server.kernel.errors import InvalidArgument

KEY = "runyard.workspace"
_HEADER = b"x-mlflow-workspace"


def choose_workspace(scope: Scope) -> None:
    """Note the workspace's name in the scope, or nothing for none, and take the prefix off the path.

    Raises:
        InvalidArgument: the prefix and the header disagree, or the header comes twice with two names.
    """
    chosen = ""
    path: str = scope["path"]
    if path.startswith("/w/"):
        chosen, _, rest = path[3:].partition("/")
        prefix = f"/w/{chosen}"
        scope["path"] = "/" + rest
        raw = scope.get("raw_path")
        if raw:
            # The name is the raw path's second segment, however it is encoded there.
            scope["raw_path"] = b"/" + raw.split(b"/", 3)[3] if raw.count(b"/") > 2 else b"/"
        scope["root_path"] = scope.get("root_path", "") + prefix
        if not chosen:
            raise InvalidArgument("The address names no workspace: it must begin with /w/NAME/.")
    for name, value in scope["headers"]:
        if name == _HEADER:
            named = value.decode("latin-1").strip()
            if named and chosen and named != chosen:
                raise InvalidArgument(
                    f"The request names two workspaces: '{chosen[:100]}' and, in X-MLFLOW-WORKSPACE, "
                    f"'{named[:100]}'. Name one.",
                    field="X-MLFLOW-WORKSPACE",
                )
            chosen = named or chosen
    scope[KEY] = chosen
