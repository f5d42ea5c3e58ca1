"""The composition root: settings -> database -> engines -> services -> routes.

Nothing else constructs anything. To see the whole server, read `build`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from starlette.types import Scope

from runyard.server.artifacts import BlobStore, MultipartUploads, open_store
from runyard.server.auth import LOCAL, Permission, Principal, require
from runyard.server.db.database import Database, open_dialect
from runyard.server.db.migrate import upgrade
from runyard.server.kernel import clock, ids
from runyard.server.metrics.compaction import Compactor
from runyard.server.mlflow_api.artifacts import ArtifactEndpoints
from runyard.server.mlflow_api.datasets import DatasetEndpoints
from runyard.server.mlflow_api.experiments import ExperimentEndpoints
from runyard.server.mlflow_api.logged_models import LoggedModelEndpoints
from runyard.server.mlflow_api.logging import LoggingEndpoints
from runyard.server.mlflow_api.metrics import MetricEndpoints
from runyard.server.mlflow_api.routes import MlflowApi
from runyard.server.mlflow_api.runs import RunEndpoints
from runyard.server.mlflow_api.server_info import ServerInfoEndpoints
from runyard.server.mlflow_api.workspaces import refuse_other_workspaces
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
)
from runyard.server.web import Application, Route
from runyard.server.web.guards import LoopbackGuard
from runyard.server.web.traffic import Gauge, GroupTraffic, Traffic

log = logging.getLogger("runyard.app")


def build(settings: Settings) -> Application:
    """The server for these settings, ready to be served; its lifespan opens and closes everything."""
    dialect = open_dialect(settings.database_url, max_bytes=settings.max_database_bytes or None)
    traffic, groups = Traffic(), GroupTraffic()
    database = Database(dialect, groups.observe)

    blobs = open_store(settings.artifacts_url, max_bytes=settings.max_artifact_bytes or None)

    keys = Keys()
    experiments = Experiments(database)
    runs = Runs(database, keys)
    log = RunLog(database, keys)
    search = RunSearch(database, keys)

    history = MetricHistory(database, keys)
    inputs = RunInputs(database)
    models = LoggedModels(database, keys)
    charts = Charts(database, keys)
    table = RunsTable(database, keys, search)
    artifacts = Artifacts(database, blobs)
    compactor = Compactor(database, SummaryRows(), holder=ids.new_request_id())

    artifact_endpoints = ArtifactEndpoints(artifacts)
    mlflow_api = MlflowApi(
        [
            ExperimentEndpoints(experiments),
            RunEndpoints(runs, search),
            LoggingEndpoints(log),
            MetricEndpoints(history),
            DatasetEndpoints(inputs),
            LoggedModelEndpoints(models),
            artifact_endpoints,
            ServerInfoEndpoints(multipart_uploads=isinstance(blobs, MultipartUploads)),
        ]
    )
    operations = OperationEndpoints(
        database,
        traffic,
        groups,
        gauges=_compaction(compactor),
        table=lambda: routes,
        workers=settings.workers,
        limits=Limits(settings.max_body_bytes, settings.max_database_bytes, settings.max_artifact_bytes),
    )
    routes = [
        *operations.routes(),
        *mlflow_api.routes(),
        *artifact_endpoints.plain_routes(),
        *TrackingRoutes(charts, table).routes(),
    ]

    return Application(
        routes=routes,
        authorize=_authorize,
        traffic=traffic,
        max_body=settings.max_body_bytes,
        guards=[LoopbackGuard(), refuse_other_workspaces],
        fallback=mlflow_api.refuse,
        lifespan=lambda: _opened(database, experiments, compactor, blobs),
    )


@asynccontextmanager
async def _opened(
    database: Database, experiments: Experiments, compactor: Compactor, blobs: BlobStore
) -> AsyncIterator[None]:
    """Everything open and at work; closed in the opposite order."""
    upgrade(database.dialect)
    database.start()
    try:
        await experiments.ensure_default()
        compactor.start()
        async with blobs, _repeated(partial(_purge_uploads, blobs)):
            yield
    finally:
        try:
            compactor.stop()
        finally:
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


def _authorize(scope: Scope, route: Route) -> Principal:
    del scope
    permission = route.permission
    if not isinstance(permission, Permission):
        raise TypeError(f"{route.method} {route.path} declares no permission")
    require(LOCAL, permission)
    return LOCAL
