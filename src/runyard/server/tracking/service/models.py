"""Use cases of logged models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from runyard.server.auth import Principal
from runyard.server.db import Connection, Database, Row, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound
from runyard.server.tracking import names, rules
from runyard.server.tracking.service.experiments import must_be_active
from runyard.server.tracking.store import models as store
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Lifecycle, LoggedModel, ModelStatus, NewModel, Param, Tag


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
        del principal
        if name is not None:
            rules.check_model_name(name)
        rules.check_text(model_type, rules.MAX_MODEL_TYPE, "model_type")
        rules.check_text(source_run, rules.MAX_MODEL_ID, "source_run_id")
        rules.check_model_entries(params, "params")
        rules.unique_params([(p.key, p.value) for p in params])
        rules.check_model_entries(tags, "tags")
        new = NewModel(
            ids.new_model_id(),
            experiment_id,
            name or names.run_name(ids.random_below(names.COMBINATIONS)),
            model_type,
            source_run,
            sorted(params, key=_key_of),
            [Tag(key, value) for key, value in sorted({tag.key: tag.value for tag in tags}.items())],
        )
        now = clock.now_ms()

        def mutate(tx: Transaction) -> LoggedModel:
            home = must_be_active(tx, experiment_id).artifact_location.rstrip("/")
            key_ids = self._keys.intern(tx, {x.key for x in (*new.params, *new.tags)})
            row = store.insert(tx, new, f"{home}/models/{new.uuid}/artifacts", now)
            store.insert_params(tx, _rows(row, new.params, key_ids))
            store.set_tags(tx, _rows(row, new.tags, key_ids))
            return LoggedModel(*row, new.params, new.tags, [])

        return await self._database.write(mutate)

    async def get(self, principal: Principal, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
        """One model with everything that is logged to it."""
        del principal

        def read(connection: Connection) -> LoggedModel:
            found = must_find(connection, model_id)
            if found.lifecycle != Lifecycle.ACTIVE and not allow_deleted:
                raise missing(model_id)
            return store.load(connection, self._keys, [found])[0]

        return await self._database.read_point(read)

    async def finalize(self, principal: Principal, model_id: str, status: ModelStatus) -> LoggedModel:
        """Set a model's status; returns the model."""
        del principal
        now = clock.now_ms()

        def mutate(tx: Transaction) -> LoggedModel:
            found = must_find(tx, model_id)
            store.set_status(tx, found.id, status, now)
            changed = found._replace(status=int(status), last_update_time=now)
            return store.load(tx, self._keys, [changed])[0]

        return await self._database.write(mutate)

    async def delete(self, principal: Principal, model_id: str) -> None:
        """Move a model to the trash; one that is there stays there."""
        del principal
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = must_find(tx, model_id)
            if found.lifecycle != Lifecycle.DELETED:
                store.delete_model(tx, found.id, now)

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
            key_ids = self._keys.intern(tx, {param.key for param in params})
            stored = store.params_of(tx, found.id, list(key_ids.values()))
            for param in params:
                before = stored.get(key_ids[param.key], param.value)
                if before != param.value:
                    raise _changed(model_id, param, before)
            new = [param for param in params if key_ids[param.key] not in stored]
            store.insert_params(tx, _rows(found, new, key_ids))

        await self._change(principal, model_id, change)

    async def _change(
        self, principal: Principal, model_id: str, change: Callable[[Transaction, store.ModelRow], None]
    ) -> None:
        del principal
        await self._database.write(lambda tx: change(tx, must_find(tx, model_id)))


def must_find(connection: Connection, model_id: str) -> store.ModelRow:
    """The model's row, in any lifecycle."""
    found = store.find(connection, model_id)
    if found is None:
        raise missing(model_id)
    return found


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
