"""Use cases of logged models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from zlib import crc32

from runyard.server.auth import Permission, Principal, note
from runyard.server.db import Connection, Database, Row, Transaction
from runyard.server.db.sorting import pack, unpack
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound, PermissionDenied
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.kernel.search import (
    MAX_ORDER_TERMS,
    And,
    Comparison,
    Entity,
    Field,
    Node,
    Operator,
    order_term,
    parse_filter,
)
from runyard.server.tracking import names, rules
from runyard.server.tracking.service.access import admit, in_scope, visible
from runyard.server.tracking.service.experiments import must_be_active
from runyard.server.tracking.store import models as store
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.store.model_search import (
    MODELS,
    ModelQuery,
    ModelTerm,
    check_position,
    find,
    keys_of,
)
from runyard.server.tracking.types import (
    DatasetKey,
    Lifecycle,
    LoggedModel,
    ModelOrder,
    ModelStatus,
    NewModel,
    Page,
    Param,
    Tag,
)

MAX_EXPERIMENTS = 10_000


class LoggedModels:
    """Create, get, change, delete and search logged models.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def create(
        self,
        principal: Principal,
        *,
        experiment_id: int,
        name: str | None,
        model_type: str,
        source_run: str,
        params: Sequence[Param],
        tags: Sequence[Tag],
    ) -> LoggedModel:
        """A new model that is pending until it is finalized; without a name it gets a generated one.

        Its artifacts lie under its experiment's, in `models/<id>/artifacts`.
        """
        if name is not None:
            rules.check_model_name(name)
        rules.check_text(model_type, rules.MAX_MODEL_TYPE, "model_type")
        rules.check_text(source_run, rules.MAX_MODEL_ID, "source_run_id")
        rules.check_model_entries(params, "params")
        rules.unique_params([(p.key, p.value) for p in params])
        rules.check_model_entries(tags, "tags")
        new = NewModel(
            ids.new_model_id(),
            name or names.run_name(ids.random_below(names.COMBINATIONS)),
            model_type,
            source_run,
            sorted(params, key=_key_of),
            [Tag(key, value) for key, value in sorted({tag.key: tag.value for tag in tags}.items())],
        )
        now = clock.now_ms()

        def mutate(tx: Transaction) -> LoggedModel:
            home = must_be_active(tx, principal, experiment_id, Permission.MODEL_WRITE)
            if not in_scope(tx, self._keys, principal, source_run):
                raise PermissionDenied(
                    "This token is for one run and those below it: a model that it logs needs one of them as "
                    "its source run (source_run_id)."
                )
            key_ids = self._keys.intern(tx, {x.key for x in (*new.params, *new.tags)})
            at = rules.location_below(home.artifact_location, f"models/{new.uuid}/artifacts")
            row = store.insert(tx, new, home.id, at, now)
            store.insert_params(tx, _rows(row, new.params, key_ids))
            store.set_tags(tx, _rows(row, new.tags, key_ids))
            return LoggedModel(*row, new.params, new.tags, [])

        return await self._database.write(mutate)

    async def get(self, principal: Principal, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
        """One model with everything that is logged to it."""

        def read(connection: Connection) -> LoggedModel:
            found = must_find(connection, self._keys, principal, model_id)
            if found.lifecycle != Lifecycle.ACTIVE and not allow_deleted:
                raise missing(model_id)
            return store.load(connection, self._keys, [found])[0]

        return await self._database.read_point(read)

    async def finalize(self, principal: Principal, model_id: str, status: ModelStatus) -> LoggedModel:
        """Set a model's status; returns the model."""
        now = clock.now_ms()
        await self._change(principal, model_id, lambda tx, found: store.set_status(tx, found.id, status, now))
        return await self.get(principal, model_id, allow_deleted=True)

    async def delete(self, principal: Principal, model_id: str) -> None:
        """Move a model to the trash; one that is there stays there."""
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = must_lock(tx, self._keys, principal, model_id, Permission.MODEL_DELETE)
            if found.lifecycle != Lifecycle.DELETED:
                store.delete_model(tx, found.id, now)
                note(tx, principal, "model.delete", "model", model_id, experiment=found.experiment_id)

        await self._database.write(mutate)

    async def set_tags(self, principal: Principal, model_id: str, tags: Sequence[Tag]) -> None:
        """Set tags; the last of a key wins."""
        rules.check_model_entries(tags, "tags")
        last = [Tag(key, value) for key, value in sorted({tag.key: tag.value for tag in tags}.items())]

        def change(tx: Transaction, found: store.ModelRow) -> None:
            store.set_tags(tx, _rows(found, last, self._keys.intern(tx, {tag.key for tag in last})))

        await self._change(principal, model_id, change)

    async def delete_tag(self, principal: Principal, model_id: str, key: str) -> None:
        """Delete one tag."""

        def change(tx: Transaction, found: store.ModelRow) -> None:
            key_id = self._keys.find(tx, [key]).get(key)
            if key_id is None or not store.delete_tag(tx, found.id, key_id):
                raise NotFound(
                    f"No tag with key {rules.cut(key)!r} found for model with ID {model_id!r}.",
                    field="tag_key",
                )

        await self._change(principal, model_id, change)

    async def log_params(self, principal: Principal, model_id: str, params: Sequence[Param]) -> None:
        """Log parameters; the same value again changes nothing, another value is refused."""
        rules.check_model_entries(params, "params")
        rules.unique_params([(p.key, p.value) for p in params])

        def change(tx: Transaction, found: store.ModelRow) -> None:
            known = self._keys.find(tx, {param.key for param in params})
            stored = store.params_of(tx, found.id, list(known.values()))
            before = {key: stored[key_id] for key, key_id in known.items() if key_id in stored}
            for param in params:
                if before.get(param.key, param.value) != param.value:
                    raise _changed(model_id, param, before[param.key])
            new = [param for param in params if param.key not in before]
            key_ids = self._keys.intern(tx, {param.key for param in new})
            store.insert_params(tx, _rows(found, new, key_ids))

        await self._change(principal, model_id, change)

    async def search(
        self,
        principal: Principal,
        *,
        experiment_ids: Sequence[int],
        filter_text: str,
        datasets: Sequence[DatasetKey],
        order_by: Sequence[ModelOrder],
        limit: int,
        token: str | None,
    ) -> Page[LoggedModel]:
        """A page of whole models that aren't deleted.

        Args:
            principal: who asks.
            experiment_ids: where to look; those that don't exist, or are deleted, are passed over.
            filter_text: a filter in the search language; empty for all.
            datasets: where metrics count in the filter; see `ModelQuery`.
            order_by: terms; models that compare equal come newest first.
            limit: the page's size.
            token: where the page starts; it belongs to one search.
        """
        rules.check_count(len(datasets), "datasets")
        if len(experiment_ids) > MAX_EXPERIMENTS:
            raise InvalidArgument(
                f"A search can take at most {MAX_EXPERIMENTS:,} experiments; this one has "
                f"{len(experiment_ids):,}.",
                field="experiment_ids",
            )
        tree = parse_filter(filter_text, MODELS, field="filter") if filter_text.strip() else None
        asked = ModelQuery(
            tuple(experiment_ids), _within_scope(principal, tree), tuple(datasets), _order(order_by)
        )
        kind = f"models {crc32(repr(asked).encode()):x}"
        position = None if token is None else _position(asked, decode_token(kind, token))

        def read(connection: Connection) -> Page[LoggedModel]:
            there = visible(connection, principal, experiment_ids, Permission.MODEL_READ)
            active = tuple(one for one, stage in there.items() if stage is Lifecycle.ACTIVE)
            query = replace(asked, experiments=active)
            key_ids = self._keys.find(connection, keys_of(query))
            rows = find(connection, query, key_ids, position, limit + 1)
            found = store.load_by_id(connection, self._keys, [row[-1] for row in rows[:limit]])
            more = len(rows) > limit
            return Page(found, encode_token(kind, pack(rows[limit - 1])) if more else None)

        return await self._database.read(read)

    async def _change(
        self, principal: Principal, model_id: str, change: Callable[[Transaction, store.ModelRow], None]
    ) -> None:
        await self._database.write(
            lambda tx: change(tx, must_lock(tx, self._keys, principal, model_id, Permission.MODEL_WRITE))
        )


def _order(sent: Sequence[ModelOrder]) -> tuple[ModelTerm, ...]:
    """The terms of an order; repeated ones order nothing and are left out."""
    if len(sent) > MAX_ORDER_TERMS:
        raise InvalidArgument(
            f"order_by has {len(sent):,} terms; the limit is {MAX_ORDER_TERMS}.", field="order_by"
        )
    found: dict[tuple[Field, DatasetKey], ModelTerm] = {}
    for i, term in enumerate(sent):
        field = order_term(
            term.field, MODELS, ascending=term.ascending, field=f"order_by[{i}].field_name"
        ).field
        dataset = DatasetKey(term.dataset_name, term.dataset_digest)
        if field.entity is not Entity.METRIC and dataset != DatasetKey("", ""):
            raise InvalidArgument(
                f"Only a metric is measured on a dataset; '{rules.cut(term.field)}' is none.",
                field=f"order_by[{i}].dataset_name",
            )
        found.setdefault((field, dataset), ModelTerm(field, term.ascending, dataset))
    return tuple(found.values())


def _position(query: ModelQuery, packed: Sequence[Any]) -> list[Any]:
    position = unpack(packed, len(packed))
    if not check_position(query, position):
        raise InvalidArgument(
            "Invalid page_token: it belongs to another search. Start again without it.", field="page_token"
        )
    return position


def must_find(connection: Connection, keys: Keys, principal: Principal, model_id: str) -> store.ModelRow:
    """The model's row, in any lifecycle, for whoever may read it."""
    found = store.find(connection, principal.workspace.id, model_id)
    return _admitted(connection, keys, principal, model_id, Permission.MODEL_READ, found)


def must_lock(
    tx: Transaction, keys: Keys, principal: Principal, model_id: str, permission: Permission
) -> store.ModelRow:
    """The model's row, for whoever holds the permission; nobody else changes it in this transaction."""
    found = store.lock(tx, principal.workspace.id, model_id)
    return _admitted(tx, keys, principal, model_id, permission, found)


def _admitted(
    connection: Connection,
    keys: Keys,
    principal: Principal,
    model_id: str,
    permission: Permission,
    found: store.Located | None,
) -> store.ModelRow:
    if found is None or not in_scope(connection, keys, principal, found.row.source_run):
        raise missing(model_id)
    admit(principal, permission, found.place, lambda: missing(model_id))
    return found.row


def _within_scope(principal: Principal, tree: Node | None) -> Node | None:
    """A filter of models for a credential that is for one run: it finds that run's."""
    scope = principal.access.scope
    if scope is None:
        return tree
    own = Comparison(Field(Entity.ATTRIBUTE, "source_run_id"), Operator.EQ, scope.run)
    if tree is None:
        return own
    return And((own, *(tree.terms if isinstance(tree, And) else (tree,))))


def missing(model_id: str, field: str = "model_id") -> NotFound:
    """The error for a logged model that doesn't exist."""
    return NotFound(f"Logged model with ID '{rules.cut(model_id)}' not found.", field=field)


def _rows(model: store.ModelRow, entries: Sequence[Tag], key_ids: dict[str, int]) -> list[Row]:
    return sorted((model.id, key_ids[x.key], model.experiment_id, x.value) for x in entries)


def _key_of(entry: Tag) -> str:
    return entry.key


def _changed(model_id: str, param: Param, before: str) -> InvalidArgument:
    return InvalidArgument(
        f"Changing param values is not allowed. Param with key='{rules.cut(param.key)}' was already logged "
        f"with value='{rules.cut(before)}' for the model '{model_id}'. Attempted logging new value "
        f"'{rules.cut(param.value)}'.",
        field="params",
    )
