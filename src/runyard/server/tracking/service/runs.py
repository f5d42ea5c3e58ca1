"""Use cases of runs."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.auth import Principal
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound, RunyardError
from runyard.server.tracking import names, rules
from runyard.server.tracking.service.experiments import WORKSPACE, check_active, missing
from runyard.server.tracking.store import attributes
from runyard.server.tracking.store import experiments as experiment_store
from runyard.server.tracking.store import runs as store
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Lifecycle, NewRun, Run, RunInfo, RunStatus, Tag


class Runs:
    """Create, get, change, delete and restore runs.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._creation = _Creation(keys)

    async def create(
        self,
        principal: Principal,
        *,
        experiment_id: int,
        name: str | None,
        user_id: str,
        start_time: int | None,
        tags: Sequence[Tag],
    ) -> Run:
        """A new active run with status RUNNING.

        The name comes from `name`, else from the tag `mlflow.runName`, else it is generated.
        """
        del principal
        rules.check_text(user_id, rules.MAX_USER_ID, "user_id")
        rules.check_count(len(tags), "tags")
        all_tags = _with_name(tags, name)
        for i, tag in enumerate(tags):
            rules.check_run_tag(tag, f"tags[{i}].")
        new = NewRun(
            ids.new_run_id(),
            experiment_id,
            all_tags[rules.NAME_TAG],
            user_id,
            clock.now_ms() if start_time is None else start_time,
            [Tag(key, value) for key, value in sorted(all_tags.items())],
        )
        return await self._database.write_bulk(self._creation, new)

    async def get(self, principal: Principal, run_id: str) -> Run:
        """One run with everything that is logged to it, in any lifecycle."""
        del principal
        return await self._database.read_point(lambda c: store.load(c, self._keys, [must_find(c, run_id)])[0])

    async def update(
        self, principal: Principal, run_id: str, *, status: int | None, end_time: int | None, name: str | None
    ) -> RunInfo:
        """Change an active run's status, end time or name; what is None stays."""
        del principal
        if name:
            rules.check_text(name, rules.MAX_RUN_NAME, "run_name")

        def mutate(tx: Transaction) -> RunInfo:
            found = must_be_active(tx, run_id)
            changed = RunInfo(
                found.id,
                found.uuid,
                found.experiment_id,
                name or found.name,
                found.user_id,
                found.status if status is None else status,
                found.start_time,
                found.end_time if end_time is None else end_time,
                found.lifecycle,
                found.artifact_uri,
            )
            if name:
                key = self._keys.intern(tx, [rules.NAME_TAG])[rules.NAME_TAG]
                attributes.set_tags(tx, [(found.id, key, found.experiment_id, name)])
            store.save(tx, found.id, status=changed.status, end_time=changed.end_time, name=changed.name)
            return changed

        return await self._database.write(mutate)

    async def delete(self, principal: Principal, run_id: str) -> None:
        """Move a run to the trash; one that is there stays there."""
        del principal
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = must_lock(tx, run_id)
            if found.lifecycle != Lifecycle.DELETED:
                store.set_lifecycle(tx, found.id, Lifecycle.DELETED, now)

        await self._database.write(mutate)

    async def restore(self, principal: Principal, run_id: str) -> None:
        """Bring a run back; an active one stays as it is."""
        del principal
        now = clock.now_ms()
        await self._database.write(
            lambda tx: store.set_lifecycle(tx, must_lock(tx, run_id).id, Lifecycle.ACTIVE, now)
        )

    async def delete_tag(self, principal: Principal, run_id: str, key: str) -> None:
        """Delete one tag of an active run."""
        del principal

        def mutate(tx: Transaction) -> None:
            found = must_be_active(tx, run_id)
            key_id = self._keys.find(tx, [key]).get(key)
            if key_id is None or not attributes.delete_tag(tx, found.id, key_id):
                raise NotFound(f"No tag with name: {rules.cut(key)} in run with id {run_id}", field="key")

        await self._database.write(mutate)


class _Creation:
    """Creates all runs of a group with one statement per table."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def run(self, tx: Transaction, items: Sequence[NewRun]) -> list[Run | RunyardError]:
        """Each item's run, or why it can't be created."""
        homes = experiment_store.lock_homes(tx, WORKSPACE, {item.experiment_id for item in items})
        keys = self._keys.intern(tx, {tag.key for item in items for tag in item.tags})
        outcomes: list[Run | RunyardError] = []
        rows: list[store.NewRow] = []
        tag_rows: list[tuple[int, int, int, str]] = []
        addresses: dict[int, str] = {}
        run_ids = iter(store.reserve_ids(tx, len(items)))
        for item in items:
            home = homes.get(item.experiment_id)
            refusal = (
                missing(item.experiment_id)
                if home is None
                else check_active(item.experiment_id, home.lifecycle)
            )
            if home is None or refusal is not None:
                outcomes.append(refusal or missing(item.experiment_id))
                continue
            run_id = next(run_ids)
            rows.append((run_id, item.uuid, item.experiment_id, item.name, item.user_id, item.start_time))
            tag_rows += [(run_id, keys[tag.key], item.experiment_id, tag.value) for tag in item.tags]
            address = rules.location_below(home.artifact_location, f"{item.uuid}/artifacts")
            if address != f"{home.artifact_location}/{item.uuid}/artifacts":
                addresses[run_id] = address
            info = RunInfo(
                run_id,
                item.uuid,
                item.experiment_id,
                item.name,
                item.user_id,
                RunStatus.RUNNING,
                item.start_time,
                None,
                Lifecycle.ACTIVE,
                address,
            )
            outcomes.append(Run(info, [], item.tags, [], [], [], []))
        store.insert(tx, rows)
        store.set_artifact_uris(tx, addresses)
        attributes.set_tags(tx, tag_rows)
        return outcomes


def must_find(connection: Connection, run_id: str) -> RunInfo:
    """The run's row, in any lifecycle."""
    found = store.find(connection, run_id)
    if found is None:
        raise missing_run(run_id)
    return found


def must_lock(tx: Transaction, run_id: str) -> RunInfo:
    """The run's row, in any lifecycle; nobody else changes it until the transaction ends."""
    found = store.lock(tx, run_id)
    if found is None:
        raise missing_run(run_id)
    return found


def must_be_active(tx: Transaction, run_id: str) -> RunInfo:
    """The row of a run that isn't deleted; nobody else changes it until the transaction ends."""
    found = must_lock(tx, run_id)
    refusal = refuse_deleted(run_id, found.lifecycle)
    if refusal is not None:
        raise refusal
    return found


def refuse_deleted(run_id: str, lifecycle: int) -> InvalidArgument | None:
    """The error for a write to a deleted run; None for an active one."""
    if lifecycle == Lifecycle.ACTIVE:
        return None
    return InvalidArgument(
        f"The run {run_id} must be in the 'active' state. Current state is deleted; restore it first.",
        field="run_id",
    )


def missing_run(run_id: str) -> NotFound:
    """The error for a run that doesn't exist."""
    return NotFound(f"Run with id={rules.cut(run_id)} not found", field="run_id")


def _with_name(tags: Sequence[Tag], name: str | None) -> dict[str, str]:
    """The run's tags with its name among them."""
    found = {tag.key: tag.value for tag in tags}
    tagged = found.get(rules.NAME_TAG)
    if name and tagged and name != tagged:
        raise InvalidArgument(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{rules.cut(name)}', mlflow.runName='{rules.cut(tagged)}').",
            field="run_name",
        )
    found[rules.NAME_TAG] = name or tagged or names.run_name(ids.random_below(names.COMBINATIONS))
    rules.check_text(found[rules.NAME_TAG], rules.MAX_RUN_NAME, "run_name")
    return found
