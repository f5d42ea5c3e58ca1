"""The table of routes: everything that the server answers, at a glance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from runyard.server.app.parts import Parts
from runyard.server.artifacts import MultipartUploads
from runyard.server.auth import PrincipalKind
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
from runyard.server.auth.routes.command_line import CommandLineRoutes
from runyard.server.auth.routes.oidc import CALLBACK, OidcRoutes
from runyard.server.auth.routes.sign_in import SignInRoutes, Visit
from runyard.server.auth.routes.token_form import TokenForm
from runyard.server.auth.service.activity import Activity
from runyard.server.auth.service.deleted import Deletion
from runyard.server.auth.service.grants import Rules
from runyard.server.auth.service.groups import Groups
from runyard.server.auth.service.holders import Holders
from runyard.server.auth.service.members import Members
from runyard.server.auth.service.oidc import Client, OidcLogin, role_map
from runyard.server.auth.service.roles import Roles
from runyard.server.auth.service.sessions import Sessions
from runyard.server.auth.service.tickets import Tickets
from runyard.server.auth.service.users import Users
from runyard.server.auth.service.whoami import WhoAmI
from runyard.server.events import Sealer
from runyard.server.metrics.compaction import Compactor
from runyard.server.mlflow_api.artifacts import ArtifactEndpoints
from runyard.server.mlflow_api.databricks import DatabricksEndpoints
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
from runyard.server.tracking.routes import DeletionRoutes, ExperimentRoutes, FolderRoutes, TrackingRoutes
from runyard.server.tracking.service import (
    Artifacts,
    Charts,
    Experiments,
    Folders,
    LoggedModels,
    MetricHistory,
    RunBulk,
    RunInputs,
    RunLog,
    Runs,
    RunSearch,
    RunsTable,
    TrackingQuotas,
    places,
)
from runyard.server.web import Route
from runyard.server.web.traffic import Gauge
from runyard.server.workspaces.routes import TrashRoutes, WorkspaceRoutes
from runyard.server.workspaces.service import (
    all_names,
    find_names,
)


def all_routes(parts: Parts) -> tuple[list[Route], MlflowApi]:
    """Every route, and MLflow's API, which also knows what it refuses."""
    search = RunSearch(parts.database, parts.keys)
    stored = Artifacts(parts.database, parts.blobs, parts.keys, parts.room, parts.deleted_files)
    artifacts = ArtifactEndpoints(stored, Tickets(parts.database))
    mlflow_api = MlflowApi([*_mlflow(parts, search), artifacts])
    routes: list[Route] = [
        *_operations(parts, lambda: routes).routes(),
        *mlflow_api.routes(),
        *artifacts.plain_routes(),
        *_native(parts, search, stored),
        *_pages(parts),
    ]
    return routes, mlflow_api


def _mlflow(parts: Parts, search: RunSearch) -> list[Endpoints]:
    """MLflow's endpoints, noun by noun."""
    database, keys, room = parts.database, parts.keys, parts.room
    return [
        ExperimentEndpoints(Experiments(database, parts.gate.forget)),
        RunEndpoints(Runs(database, keys, room), search),
        DatabricksEndpoints(RunBulk(database, keys)),
        LoggingEndpoints(RunLog(database, keys, room)),
        MetricEndpoints(MetricHistory(database, keys)),
        DatasetEndpoints(RunInputs(database, keys)),
        LoggedModelEndpoints(LoggedModels(database, keys)),
        WorkspaceEndpoints(parts.workspaces),
        ServerInfoEndpoints(multipart_uploads=isinstance(parts.blobs, MultipartUploads)),
    ]


def _native(parts: Parts, search: RunSearch, artifacts: Artifacts) -> list[Route]:
    """The native endpoints, slice by slice."""
    database, keys = parts.database, parts.keys
    return [
        *WorkspaceRoutes(parts.workspaces).routes(),
        *TrackingRoutes(
            Charts(database, keys),
            RunsTable(database, keys, search),
            RunBulk(database, keys),
            TrackingQuotas(database, keys, parts.room),
        ).routes(),
        *DeletionRoutes(artifacts).routes(),
        *ExperimentRoutes(Experiments(database, parts.gate.forget)).routes(),
        *FolderRoutes(Folders(database, parts.gate.forget)).routes(),
        *TrashRoutes(parts.trash).routes(),
        *_identity(parts),
        *ActivityRoutes(Activity(database, all_names)).routes(),
    ]


def _identity(parts: Parts) -> list[Route]:
    """Who may do what: principals, roles, rules and tokens."""
    database, gate, passwords = parts.database, parts.gate, parts.passwords
    changed, deletion = gate.forget, Deletion(days=parts.settings.trash_days)
    users = Users(database, passwords, find_names, changed, deletion)
    services = Users(database, passwords, find_names, changed, deletion, PrincipalKind.SERVICE)
    groups: list[Endpoints] = [
        WhoAmIRoutes(WhoAmI(database, lambda: gate.login_required)),
        UserRoutes(users),
        ServiceRoutes(services),
        GroupRoutes(Groups(database, changed, deletion)),
        RoleRoutes(Roles(database, find_names, changed, deletion)),
        MemberRoutes(Members(database, changed)),
        RuleRoutes(Rules(database, places, changed), Holders(database, places)),
        TokenRoutes(parts.tokens),
    ]
    return [route for group in groups for route in group.routes()]


def _pages(parts: Parts) -> list[Route]:
    """The pages at which people sign in and out, and make tokens."""
    settings, database, gate = parts.settings, parts.database, parts.gate
    client = oidc_client(settings)
    provider = urlsplit(settings.oidc_issuer).netloc
    visit = Visit(parts.cookie, settings.public_url, provider)
    routes = [
        *SignInRoutes(gate, Sessions(database, parts.passwords, gate.forget), visit).routes(),
        *TokenForm(gate, parts.tokens, visit).routes(),
        *CommandLineRoutes(gate, parts.login_codes, visit, provider).routes(),
    ]
    if client is not None:
        login = OidcLogin(database, client, parts.directory.find, gate.forget)
        routes += OidcRoutes(gate, login, visit).routes()
    return routes


def oidc_client(settings: Settings) -> Client | None:
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
