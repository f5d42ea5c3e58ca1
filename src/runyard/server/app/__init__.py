"""The composition root: settings -> database -> engines -> services -> routes.

Nothing else constructs anything. To see the whole server, read `build`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial

from starlette.types import Scope

from runyard.server.app.parts import make_parts, opened
from runyard.server.app.routes import all_routes, oidc_client
from runyard.server.auth import Permission, Principal
from runyard.server.auth.service.gate import Gate
from runyard.server.kernel.addresses import origin_of
from runyard.server.settings import Settings
from runyard.server.web import Application, Route
from runyard.server.web.application import Guard
from runyard.server.web.guards import CrossSiteGuard, LoopbackGuard
from runyard.server.web.workspace import KEY, choose_workspace
from runyard.server.workspaces.service import Room


def build(settings: Settings) -> Application:
    """The server for these settings, ready to be served; its lifespan opens and closes everything."""
    parts = make_parts(settings)
    routes, mlflow_api = all_routes(parts)
    return Application(
        routes=routes,
        authorize=partial(_authorize, parts.gate, parts.room),
        traffic=parts.traffic,
        max_body=settings.max_body_bytes,
        guards=[_guard(settings, parts.gate), choose_workspace],
        fallback=mlflow_api.refuse,
        lifespan=lambda: opened(parts),
    )


def check(settings: Settings) -> None:
    """Refuse settings that no server can be built of, before anything is begun.

    Raises:
        InvalidArgument: one is wrong.
    """
    oidc_client(settings)


def _authorize(
    gate: Gate, room: Room, scope: Scope, route: Route, path: Mapping[str, str]
) -> Principal | Awaitable[Principal]:
    permission = route.permission
    if not isinstance(permission, Permission):
        raise TypeError(f"{route.method} {route.path} declares no permission")
    # An address that names a workspace is about that one, whatever the request chose otherwise.
    found = gate(scope, permission, path.get("workspace") or scope[KEY])
    if permission is Permission.PUBLIC or permission.of_server:
        return found  # an administrator can always lift a quota
    if isinstance(found, Principal):
        room.pass_one(found.workspace)
        return found
    return _let_pass(room, found)


async def _let_pass(room: Room, found: Awaitable[Principal]) -> Principal:
    principal = await found
    room.pass_one(principal.workspace)
    return principal


def _guard(settings: Settings, gate: Gate) -> Guard:
    own = origin_of(settings.public_url) if settings.public_url else ""
    local, foreign = LoopbackGuard(), CrossSiteGuard(own, behind_proxy=bool(settings.trusted_proxies))
    return lambda scope: foreign(scope) if gate.login_required else local(scope)
