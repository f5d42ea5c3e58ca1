"""Logging to runs: points, params and tags.

All requests that wait are one bulk: one statement per table for the whole group. A request is checked
whole before any of it is written, so that it is stored whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from runyard.server.auth import Permission, Place, Principal
from runyard.server.db import Database, Row, Transaction
from runyard.server.kernel.errors import InvalidArgument, RunyardError
from runyard.server.metrics import engine
from runyard.server.metrics.types import PointBatch
from runyard.server.tracking import rules
from runyard.server.tracking.service.access import in_scope, refusal
from runyard.server.tracking.service.models import missing as missing_model
from runyard.server.tracking.service.run_quotas import Entries, GroupRoom, refuse_tag
from runyard.server.tracking.service.runs import missing_run, must_be_active, refuse, refuse_deleted
from runyard.server.tracking.store import attributes, models, runs, summaries
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import MetricPoints, RunBatch, Tag
from runyard.server.workspaces.service import Room

MODELS_TAG = "mlflow.log-model.history"
# It is read and written whole for each model.
MAX_MODELS = 4 * 2**20
_MODEL_FIELDS = ("artifact_path", "flavors", "utc_time_created", "run_id")


class RunLog:
    """Takes what clients log to runs.

    Args:
        database: where it goes.
        keys: the interned names.
        room: the quotas.
    """

    def __init__(self, database: Database, keys: Keys, room: Room) -> None:
        self._database = database
        self._keys = keys
        self._room = room
        self._bulk = _Logging(keys, room)

    async def log(self, principal: Principal, batch: RunBatch) -> None:
        """Log points, params and tags to one active run: all of them or, on an error, none."""
        if batch.points is not None:
            _check_keys(batch.points)
            for at, origin in (batch.points.origins or {}).items():
                rules.check_origin(origin, f"metrics[{at}]")
        for i, param in enumerate(batch.params):
            rules.check_key(param.key, f"params[{i}].key")
            rules.check_param_value(param.value, f"params[{i}].value")
        rules.unique_params([(p.key, p.value) for p in batch.params])
        for i, tag in enumerate(batch.tags):
            rules.check_run_tag(tag, f"tags[{i}].")
        await self._database.write_bulk(self._bulk, (principal, batch))

    async def log_points(self, principal: Principal, run: str, points: MetricPoints, field: str) -> None:
        """Log points of one key to one active run."""
        rules.check_key(points.keys[0], field)
        for origin in (points.origins or {}).values():
            rules.check_origin(origin, "")
        await self._database.write_bulk(self._bulk, (principal, RunBatch(run, points, [], [])))

    async def log_param(self, principal: Principal, run: str, param: Tag) -> None:
        """Log a parameter; logging the same value again changes nothing, another value is refused."""
        rules.check_key(param.key, "key")
        rules.check_param_value(param.value, "value")
        await self._database.write_bulk(self._bulk, (principal, RunBatch(run, None, [param], [])))

    async def set_tag(self, principal: Principal, run: str, tag: Tag) -> None:
        """Set a tag; an empty name of the run changes nothing."""
        rules.check_run_tag(tag, "")
        await self._database.write_bulk(self._bulk, (principal, RunBatch(run, None, [], [tag])))

    async def note_model(self, principal: Principal, run: str, model_json: str) -> None:
        """Append a model's description to the run's tag that lists its models."""
        model = _model_from(model_json)

        def mutate(tx: Transaction) -> None:
            found = must_be_active(tx, self._keys, principal, run)
            key = self._keys.intern(tx, [MODELS_TAG])[MODELS_TAG]
            refused = refuse_tag(tx, self._room, principal, (found.id, run), key)
            if refused is not None:
                raise refused
            models = json.dumps([*_models_in(attributes.tag_of(tx, found.id, key)), model])
            if len(models) > MAX_MODELS:
                raise InvalidArgument(
                    f"The run's tag '{MODELS_TAG}' would be longer than {MAX_MODELS:,} characters: too many "
                    "models, or too large ones, were noted for this run.",
                    field="model_json",
                )
            attributes.set_tags(tx, [(found.id, key, found.experiment_id, models)])

        await self._database.write(mutate)


class _Logging:
    """The bulk mutation of everything that is logged."""

    def __init__(self, keys: Keys, room: Room) -> None:
        self._keys = keys
        self._room = room

    def run(self, tx: Transaction, items: Sequence[tuple[Principal, RunBatch]]) -> list[RunyardError | None]:
        """Each item's outcome: None, or why nothing of it was written."""
        group = _Group(tx, self._keys, self._room, items)
        outcomes = [group.add(principal, item) for principal, item in items]
        group.room.store()
        # In the order of their keys, so that two processes on one database don't deadlock.
        attributes.insert_params(tx, sorted(group.params, key=_series_of))
        attributes.set_tags(tx, sorted(group.tags, key=_series_of))
        for run_id, name in sorted(group.names.items()):
            runs.set_name(tx, run_id, name)
        if group.batches:
            engine.append(tx, group.batches)
            group.summaries.sort(key=_series_of)
            summaries.merge(tx, group.summaries)
        models.set_points(tx, group.model_points)
        return outcomes


def _series_of(row: Row) -> tuple[int, int]:
    return row[0], row[1]


class _Group:
    """Collects the rows of a group of requests, leaving out those that are refused."""

    def __init__(
        self, tx: Transaction, keys: Keys, room: Room, sent: Sequence[tuple[Principal, RunBatch]]
    ) -> None:
        items = [item for _, item in sent]
        self._tx = tx
        self._keys = keys
        self._runs = runs.find_ids(tx, list({item.run for item in items}))
        self.room = GroupRoom(tx, room, self._runs, sent)
        self._ids = keys.intern(tx, _names(items))
        measured = _models(items)
        self._models = models.find_homes(tx, measured) if measured else {}
        self._new_params: dict[tuple[int, int], str] = {}
        # Who may log where: by credential, workspace and experiment.
        self._admitted: set[tuple[int, int, int]] = set()
        self.params: list[Row] = []
        self.tags: list[Row] = []
        self.names: dict[int, str] = {}
        self.batches: list[PointBatch] = []
        self.summaries: list[Row] = []
        self.model_points: list[models.PointRow] = []

    def add(self, principal: Principal, item: RunBatch) -> RunyardError | None:
        """Take one request's rows; returns why it is refused, if it is."""
        found = self._runs.get(item.run)
        refused = self._refuse(principal, item.run, found)
        if found is None or refused is not None:
            return refused
        refused = refuse_deleted(item.run, found.lifecycle)
        if refused is None and item.points is not None and item.points.origins:
            refused = self._refuse_model(principal, item.points)
        if refused is not None:
            return refused
        entries = self._entries(found, item) if item.params or item.tags else None
        if isinstance(entries, InvalidArgument):
            return entries
        refused = self.room.take(principal, found, item, entries)
        if refused is not None:
            return refused
        if entries is not None:
            self.params += entries.params
            self._new_params.update({(row[0], row[1]): row[3] for row in entries.params})
            self.tags += entries.tags
            if entries.name:
                self.names[found.id] = entries.name
        if item.points is not None:
            self._add_points(found.id, found.experiment_id, item.points)
        return None

    def _refuse(self, principal: Principal, run: str, found: runs.RunKey | None) -> RunyardError | None:
        """Why the principal may not log to the run; what holds for an experiment is found out once."""
        if found is None:
            return missing_run(run)
        admitted = (id(principal.access), id(principal.workspace), found.experiment_id)
        if principal.access.scope is None and admitted in self._admitted:
            return None
        refused = refuse(self._tx, self._keys, principal, run, found, Permission.RUN_WRITE)
        if refused is None:
            self._admitted.add(admitted)
        return refused

    def _refuse_model(self, principal: Principal, points: MetricPoints) -> RunyardError | None:
        """Why points may not measure the logged models that they name."""
        for at, origin in (points.origins or {}).items():
            field = "model_id" if len(points.values) == 1 else f"metrics[{at}].model_id"
            missing = partial(missing_model, origin.model_id, field)
            model = self._models.get(origin.model_id)
            if model is None or model.workspace_id != principal.workspace.id:
                return missing()
            if not in_scope(self._tx, self._keys, principal, model.source_run):
                return missing()
            place = Place(model.experiment_id, model.experiment_name)
            refused = refusal(principal, Permission.MODEL_WRITE, place, missing)
            if refused is not None:
                return refused
        return None

    def _entries(self, found: runs.RunKey, item: RunBatch) -> Entries | InvalidArgument:
        """The rows of a request's params and tags; an error when a param is stored with another value."""
        run, experiment = found.id, found.experiment_id
        # An empty name changes nothing: every run has one.
        tags = [tag for tag in item.tags if tag.value or tag.key != rules.NAME_TAG]
        name = next((tag.value for tag in reversed(tags) if tag.key == rules.NAME_TAG), "")
        rows = [(run, self._ids[tag.key], experiment, tag.value) for tag in tags]
        entries = Entries([], rows, name)
        sent = {self._ids[param.key]: param for param in item.params}
        stored = attributes.params_of(self._tx, run, list(sent)) if sent else {}
        for key_id, param in sent.items():
            before = stored.get(key_id, self._new_params.get((run, key_id)))
            if before is None:
                entries.params.append((run, key_id, experiment, param.value))
            elif before != param.value:
                return InvalidArgument(
                    f"Changing param values is not allowed. Param with key='{param.key}' was already logged "
                    f"with value='{rules.cut(before)}' for run ID='{item.run}'. Attempted logging new value "
                    f"'{rules.cut(param.value)}'.",
                    field="params",
                )
        return entries

    def _add_points(self, run_id: int, experiment_id: int, points: MetricPoints) -> None:
        keys = [self._ids[name] for name in points.keys]
        batch = PointBatch(run_id, keys, points.index, points.steps, points.timestamps, points.values)
        self.batches.append(batch)
        for series, summary in engine.summarize(batch):
            self.summaries.append(summaries.merge_row(experiment_id, series, summary))
        for at, origin in (points.origins or {}).items():
            model, value = self._models[origin.model_id], points.values[at]
            is_nan = value != value  # noqa: PLR0124 - NaN's test
            self.model_points.append(
                models.PointRow(
                    model.id,
                    self._ids[points.key_at(at)],
                    points.timestamps[at],
                    points.steps[at],
                    run_id,
                    origin.dataset_name,
                    origin.dataset_digest,
                    model.experiment_id,
                    int(is_nan),
                    0.0 if is_nan else value,
                )
            )


def _model_from(text: str) -> dict[str, Any]:
    """What the tag keeps of a model's description: as much as MLflow keeps, so that the tag stays small."""
    rules.check_text(text, rules.MAX_MODEL_JSON, "model_json")
    try:
        model = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(
            f"Malformed model info: '{rules.cut(text)}' is not valid JSON: {error}.", field="model_json"
        ) from error
    if not isinstance(model, dict):
        raise InvalidArgument("Malformed model info: it must be a JSON object.", field="model_json")
    missing = [name for name in _MODEL_FIELDS if name not in model]
    if missing:
        raise InvalidArgument(
            f"Model json is missing mandatory fields: {', '.join(missing)}.", field="model_json"
        )
    flavors = model["flavors"]
    kept = {name: model[name] for name in (*_MODEL_FIELDS, "model_uuid") if name in model}
    if isinstance(flavors, dict):
        kept["flavors"] = {name: _without_config(flavor) for name, flavor in flavors.items()}
    return kept


def _without_config(flavor: Any) -> Any:
    return {k: v for k, v in flavor.items() if k != "config"} if isinstance(flavor, dict) else flavor


def _models_in(tag: str | None) -> list[Any]:
    """The models that the tag lists so far."""
    try:
        found = json.loads(tag) if tag else []
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise InvalidArgument(
            f"The run's tag '{MODELS_TAG}' isn't a list of models, so none can be added; delete it first.",
            field="run_id",
        )
    return found


def _models(items: Sequence[RunBatch]) -> set[str]:
    """The logged models that points measure."""
    return {
        origin.model_id
        for item in items
        if item.points is not None and item.points.origins
        for origin in item.points.origins.values()
    }


def _names(items: Sequence[RunBatch]) -> set[str]:
    names: set[str] = set()
    for item in items:
        if item.points is not None:
            names.update(item.points.keys)
        names.update(param.key for param in item.params)
        names.update(tag.key for tag in item.tags)
    return names


def _check_keys(points: MetricPoints) -> None:
    for key in points.keys:
        try:
            rules.check_key(key, "key")
        except InvalidArgument:
            # Again, for the error to name the place.
            rules.check_key(key, f"metrics[{points.first_of(key)}].key")
