"""The composition root: settings -> database -> engines -> services -> routes.

Nothing else constructs anything. To see the whole server, read `build`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

from starlette.types import Scope

from runyard.server.artifacts import BlobStore, MultipartUploads, open_store
from runyard.server.auth import Permission, Principal, PrincipalKind
from runyard.server.auth.routes import (
    GroupRoutes,
    MemberRoutes,
    RoleRoutes,
    RuleRoutes,
    ServiceRoutes,
    TokenRoutes,
    UserRoutes,
    WhoAmIRoutes,
)
from runyard.server.auth.routes.activity import ActivityRoutes
from runyard.server.auth.routes.oidc import CALLBACK, OidcRoutes
from runyard.server.auth.routes.sign_in import SignInRoutes, Visit
from runyard.server.auth.service.activity import Activity
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.failures import SignInFailures
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.grants import Rules
from runyard.server.auth.service.groups import Groups
from runyard.server.auth.service.members import Members
from runyard.server.auth.service.oidc import Client, OidcLogin, role_map
from runyard.server.auth.service.passwords import Passwords
from runyard.server.auth.service.roles import Roles
from runyard.server.auth.service.sessions import Sessions
from runyard.server.auth.service.tokens import Tokens
from runyard.server.auth.service.users import Users
from runyard.server.auth.service.whoami import WhoAmI
from runyard.server.db.database import Database, open_dialect
from runyard.server.db.migrate import upgrade
from runyard.server.events import Sealer
from runyard.server.kernel import clock, ids
from runyard.server.kernel.addresses import is_loopback, origin_of
from runyard.server.metrics.compaction import Compactor
from runyard.server.mlflow_api.artifacts import ArtifactEndpoints
from runyard.server.mlflow_api.datasets import DatasetEndpoints
from runyard.server.mlflow_api.experiments import ExperimentEndpoints
from runyard.server.mlflow_api.logged_models import LoggedModelEndpoints
from runyard.server.mlflow_api.logging import LoggingEndpoints
from runyard.server.mlflow_api.metrics import MetricEndpoints
from runyard.server.mlflow_api.routes import Endpoints, MlflowApi
from runyard.server.mlflow_api.runs import RunEndpoints
from runyard.server.mlflow_api.server_info import ServerInfoEndpoints
from runyard.server.mlflow_api.workspaces import WorkspaceEndpoints
from runyard.server.operations import Limits, OperationEndpoints
from runyard.server.settings import Settings
from runyard.server.tracking.routes import TrackingRoutes
from runyard.server.tracking.service import (
    Artifacts,
    Charts,
    Experiments,
    Keys,
    LoggedModels,
    MetricHistory,
    RunInputs,
    RunLog,
    Runs,
    RunSearch,
    RunsTable,
    SummaryRows,
    WorkspaceContents,
    find_for_token,
    places,
)
from runyard.server.web import Application, Route
from runyard.server.web.application import Guard
from runyard.server.web.guards import CrossSiteGuard, LoopbackGuard
from runyard.server.web.traffic import Gauge, GroupTraffic, Traffic
from runyard.server.web.workspace import KEY, choose_workspace
from runyard.server.workspaces.routes import WorkspaceRoutes
from runyard.server.workspaces.service import (
    Directory,
    Recount,
    Room,
    Usage,
    Workspaces,
    all_names,
    find_names,
)

log = logging.getLogger("runyard.app")


@dataclass(frozen=True, slots=True)
class Parts:
    """The services, made once; each takes what it needs."""

    settings: Settings
    database: Database
    blobs: BlobStore
    keys: Keys
    traffic: Traffic
    groups: GroupTraffic
    passwords: Passwords
    cookie: SessionCookie
    gate: Gate
    tokens: Tokens
    directory: Directory
    workspaces: Workspaces
    usage: Usage
    room: Room
    recount: Recount
    compactor: Compactor
    sealer: Sealer


def build(settings: Settings) -> Application:
    """The server for these settings, ready to be served; its lifespan opens and closes everything."""
    parts = _parts(settings)
    search = RunSearch(parts.database, parts.keys)
    artifacts = ArtifactEndpoints(Artifacts(parts.database, parts.blobs, parts.keys, parts.room))
    mlflow_api = MlflowApi([*_mlflow(parts, search), artifacts])
    routes: list[Route] = [
        *_operations(parts, lambda: routes).routes(),
        *mlflow_api.routes(),
        *artifacts.plain_routes(),
        *_native(parts, search),
        *_pages(parts),
    ]
    return Application(
        routes=routes,
        authorize=partial(_authorize, parts.gate, parts.room),
        traffic=parts.traffic,
        max_body=settings.max_body_bytes,
        guards=[_guard(settings, parts.gate), choose_workspace],
        fallback=mlflow_api.refuse,
        lifespan=lambda: _opened(parts),
    )


def check(settings: Settings) -> None:
    """Refuse settings that no server can be built of, before anything is begun.

    Raises:
        InvalidArgument: one is wrong.
    """
    _oidc(settings)


def _parts(settings: Settings) -> Parts:
    dialect = open_dialect(settings.database_url, max_bytes=settings.max_database_bytes or None)
    groups, keys = GroupTraffic(), Keys()
    database = Database(dialect, groups.observe)
    blobs = open_store(settings.artifacts_url, max_bytes=settings.max_artifact_bytes or None)
    passwords = Passwords(SignInFailures(database).note)
    cookie = SessionCookie(https=settings.public_url.startswith("https:"))
    directory, contents, usage = Directory(), WorkspaceContents(), Usage(database)
    find = directory.find
    gate = Gate(database, find, passwords, cookie, login=not is_loopback(settings.host))
    return Parts(
        settings=settings,
        database=database,
        blobs=blobs,
        keys=keys,
        traffic=Traffic(),
        groups=groups,
        passwords=passwords,
        cookie=cookie,
        gate=gate,
        tokens=Tokens(database, find, find_names, partial(find_for_token, keys), gate.forget),
        directory=directory,
        workspaces=Workspaces(database, contents, usage, gate.forget),
        usage=usage,
        room=Room(database, directory, usage),
        recount=Recount(database, blobs, usage, contents),
        compactor=Compactor(database, SummaryRows(), holder=ids.new_request_id()),
        sealer=Sealer(database, holder=ids.new_request_id()),
    )


def _mlflow(parts: Parts, search: RunSearch) -> list[Endpoints]:
    """MLflow's endpoints, noun by noun."""
    database, keys, room = parts.database, parts.keys, parts.room
    return [
        ExperimentEndpoints(Experiments(database)),
        RunEndpoints(Runs(database, keys, room), search),
        LoggingEndpoints(RunLog(database, keys, room)),
        MetricEndpoints(MetricHistory(database, keys)),
        DatasetEndpoints(RunInputs(database, keys)),
        LoggedModelEndpoints(LoggedModels(database, keys)),
        WorkspaceEndpoints(parts.workspaces),
        ServerInfoEndpoints(multipart_uploads=isinstance(parts.blobs, MultipartUploads)),
    ]


def _native(parts: Parts, search: RunSearch) -> list[Route]:
    """The native endpoints, slice by slice."""
    database, keys = parts.database, parts.keys
    return [
        *WorkspaceRoutes(parts.workspaces).routes(),
        *TrackingRoutes(Charts(database, keys), RunsTable(database, keys, search)).routes(),
        *_identity(parts),
        *ActivityRoutes(Activity(database, all_names)).routes(),
    ]


def _identity(parts: Parts) -> list[Route]:
    """Who may do what: principals, roles, rules and tokens."""
    database, gate, passwords = parts.database, parts.gate, parts.passwords
    changed = gate.forget
    users = Users(database, passwords, changed)
    services = Users(database, passwords, changed, PrincipalKind.SERVICE)
    groups: list[Endpoints] = [
        WhoAmIRoutes(WhoAmI(database, lambda: gate.login_required)),
        UserRoutes(users),
        ServiceRoutes(services),
        GroupRoutes(Groups(database, changed)),
        RoleRoutes(Roles(database, changed)),
        MemberRoutes(Members(database, changed)),
        RuleRoutes(Rules(database, places, changed)),
        TokenRoutes(parts.tokens),
    ]
    return [route for group in groups for route in group.routes()]


def _pages(parts: Parts) -> list[Route]:
    """The pages at which people sign in and out."""
    settings, database, gate = parts.settings, parts.database, parts.gate
    client = _oidc(settings)
    visit = Visit(parts.cookie, settings.public_url, urlsplit(settings.oidc_issuer).netloc)
    routes = SignInRoutes(gate, Sessions(database, parts.passwords, gate.forget), visit).routes()
    if client is not None:
        login = OidcLogin(database, client, parts.directory.find, gate.forget)
        routes += OidcRoutes(gate, login, visit).routes()
    return routes


def _oidc(settings: Settings) -> Client | None:
    """What the OpenID Connect provider knows of this server; None without one."""
    roles = role_map(settings.oidc_roles)
    if not settings.oidc_issuer:
        return None
    return Client(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id,
        secret=settings.oidc_secret,
        callback=settings.public_url.rstrip("/") + CALLBACK,
        scopes=settings.oidc_scopes,
        name_claim=settings.oidc_name_claim,
        email_claim=settings.oidc_email_claim,
        groups_claim=settings.oidc_groups_claim,
        roles=roles,
        create_users=settings.oidc_create_users,
    )


def _operations(parts: Parts, table: Callable[[], Sequence[Route]]) -> OperationEndpoints:
    settings = parts.settings
    return OperationEndpoints(
        parts.database,
        parts.traffic,
        parts.groups,
        gauges=[*_compaction(parts.compactor), *_activity(parts.sealer)],
        table=table,
        workers=settings.workers,
        limits=Limits(settings.max_body_bytes, settings.max_database_bytes, settings.max_artifact_bytes),
    )


@asynccontextmanager
async def _opened(parts: Parts) -> AsyncIterator[None]:
    """Everything open and at work; closed in the opposite order."""
    database, blobs = parts.database, parts.blobs
    upgrade(database.dialect)
    database.start()
    try:
        await parts.workspaces.ensure_default()
        await parts.gate.look()
        parts.compactor.start()
        parts.sealer.start()
        async with (
            blobs,
            parts.usage,
            parts.recount,
            _repeated(partial(_purge_uploads, blobs)),
            _repeated(parts.tokens.purge),
        ):
            yield
    finally:
        try:
            parts.compactor.stop()
            parts.sealer.stop()
        finally:
            parts.passwords.close()
            database.close()


@asynccontextmanager
async def _repeated(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Do something now and then every hour, until the block ends."""

    async def repeat() -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("housekeeping failed")
            await asyncio.sleep(3600)

    task = asyncio.create_task(repeat())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _purge_uploads(blobs: BlobStore) -> None:
    """Drop the parts of uploads that nobody went on with for a week."""
    if isinstance(blobs, MultipartUploads):
        await blobs.purge_stale_uploads(clock.now_ms() - 7 * 24 * 3_600_000)


def _compaction(c: Compactor) -> list[Gauge]:
    return [
        Gauge("runyard_metric_backlog_rows", "Rows in the metrics' log.", lambda: c.backlog_rows),
        Gauge("runyard_metric_backlog_points", "Points in the metrics' log.", lambda: c.backlog_points),
        Gauge(
            "runyard_metric_points_folded",
            "Points moved out of the log.",
            lambda: c.folded_points,
            grows=True,
        ),
    ]


def _activity(s: Sealer) -> list[Gauge]:
    return [
        Gauge("runyard_activity_sealed", "Events in the activity log's chain.", lambda: s.head.sequence),
        Gauge("runyard_activity_unsealed", "Events that wait to be sealed.", lambda: s.unsealed),
    ]


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
