"""The runs table: of each run only the columns that are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runyard.server.auth import Permission, Principal
from runyard.server.db import Connection, Database
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.service.access import admit
from runyard.server.tracking.service.access import experiment_id as id_of
from runyard.server.tracking.service.experiments import missing
from runyard.server.tracking.service.search import RunSearch
from runyard.server.tracking.store import experiments, runs, table
from runyard.server.tracking.store.columns import STAGE_NAMES, STATUS_NAMES
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import RunInfo, Summary, View

MAX_COLUMNS = 500
MAX_ROWS = 10_000
MAX_COUNT = 10_000

Kind = Literal["attribute", "metric", "param", "tag"]
ATTRIBUTES = (
    "run_id",
    "run_name",
    "experiment_id",
    "status",
    "start_time",
    "end_time",
    "user_id",
    "artifact_uri",
    "lifecycle_stage",
)


@dataclass(frozen=True, slots=True)
class Column:
    """What a column shows: an attribute, a summary of a metric, a param or a tag."""

    kind: Kind
    key: str
    summary: Summary = "last"


@dataclass(frozen=True, slots=True)
class Table:
    """A page of the table.

    Attributes:
        run_ids: the rows.
        columns: per column asked for, the values of all rows; None where a run has none, or has NaN.
        next_token: where the next page starts.
    """

    run_ids: list[str]
    columns: list[list[Any]]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class ExperimentKeys:
    """The keys that an experiment's runs have, each list sorted."""

    metrics: list[str]
    params: list[str]
    tags: list[str]


class RunsTable:
    """Pages of columns, counts, and the keys to choose columns from.

    Args:
        database: where runs live.
        keys: the interned names.
        search: finds the rows.
    """

    def __init__(self, database: Database, keys: Keys, search: RunSearch) -> None:
        self._database = database
        self._keys = keys
        self._search = search

    async def page(
        self,
        principal: Principal,
        columns: Sequence[Column],
        *,
        experiment_ids: Sequence[int],
        filter_text: str,
        order_by: Sequence[str],
        view: View,
        limit: int,
        token: str | None,
    ) -> Table:
        """A page of the runs that a search finds (see `RunSearch.search`), in columns.

        Raises:
            InvalidArgument: there are too many rows or columns, or an attribute doesn't exist.
        """
        _check(columns, limit)
        found = await self._search.page(
            principal,
            experiment_ids=experiment_ids,
            filter_text=filter_text,
            order_by=order_by,
            view=view,
            limit=limit,
            token=token,
            load=lambda connection, ids: [self._load(connection, columns, ids)],
        )
        run_ids, cells = found.items[0]
        return Table(run_ids, cells, found.next_token)

    async def count(
        self, principal: Principal, *, experiment_ids: Sequence[int], filter_text: str, view: View
    ) -> int:
        """How many runs a search finds, counted up to `MAX_COUNT` + 1."""
        page = await self._search.page(
            principal,
            experiment_ids=experiment_ids,
            filter_text=filter_text,
            order_by=(),
            view=view,
            limit=MAX_COUNT + 1,
            token=None,
            load=lambda _, ids: [len(ids)],
        )
        return page.items[0]

    async def keys(self, principal: Principal, experiment_id: int) -> ExperimentKeys:
        """The keys of an experiment's metrics, params and tags.

        Raises:
            NotFound: the experiment doesn't exist.
        """
        wanted = id_of(principal, experiment_id)

        def read(connection: Connection) -> ExperimentKeys:
            experiment = experiments.find(connection, principal.workspace.id, wanted)
            if experiment is None:
                raise missing(experiment_id)
            admit(principal, Permission.RUN_READ, experiment.place, lambda: missing(experiment_id))
            if principal.access.scope is not None:
                return ExperimentKeys([], [], [])  # they are of runs that a token for one run doesn't reach
            found = table.keys_of(connection, wanted)
            name = self._keys.names(connection, [key for ids in found for key in ids])
            metrics, params, tags = (sorted(name[key] for key in ids) for ids in found)
            return ExperimentKeys(metrics, params, tags)

        return await self._database.read(read)

    def _load(
        self, connection: Connection, columns: Sequence[Column], ids: list[int]
    ) -> tuple[list[str], list[list[Any]]]:
        infos = runs.infos(connection, ids)
        key_of = self._keys.find(connection, [c.key for c in columns if c.kind != "attribute"])
        cells: dict[tuple[Kind, Summary | None], table.Cells] = {}
        for kind, summary in {_source(column) for column in columns}:
            wanted = [key_of[c.key] for c in columns if _source(c) == (kind, summary) and c.key in key_of]
            if kind == "metric" and summary is not None:
                cells[kind, summary] = table.metrics(connection, summary, ids, wanted)
            elif kind != "attribute":
                read = table.params if kind == "param" else table.tags
                cells[kind, summary] = read(connection, ids, wanted)
        values = [
            [_attribute(info, column.key) for info in infos]
            if column.kind == "attribute"
            else [cells[_source(column)].get((info.id, key_of.get(column.key, -1))) for info in infos]
            for column in columns
        ]
        return [info.uuid for info in infos], values


def _source(column: Column) -> tuple[Kind, Summary | None]:
    """What is read together."""
    return column.kind, column.summary if column.kind == "metric" else None


def _attribute(info: RunInfo, name: str) -> Any:
    match name:
        case "run_id":
            return info.uuid
        case "run_name":
            return info.name
        case "experiment_id":
            return str(info.experiment_id)
        case "status":
            return STATUS_NAMES[info.status]
        case "lifecycle_stage":
            return STAGE_NAMES[info.lifecycle]
        case _:
            return getattr(info, name)


def _check(columns: Sequence[Column], limit: int) -> None:
    if len(columns) > MAX_COLUMNS:
        raise InvalidArgument(
            f"A table takes at most {MAX_COLUMNS} columns; there are {len(columns):,}.", field="columns"
        )
    if not 1 <= limit <= MAX_ROWS:
        raise InvalidArgument(f"'limit' must be 1 to {MAX_ROWS:,}, not {limit:,}.", field="limit")
    for i, column in enumerate(columns):
        if column.kind == "attribute" and column.key not in ATTRIBUTES:
            raise InvalidArgument(
                f"Runs have no attribute '{column.key[:100]}'; they have {', '.join(ATTRIBUTES)}.",
                field=f"columns[{i}].key",
            )
