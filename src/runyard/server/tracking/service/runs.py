"""Use cases of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runyard.server.auth import Permission, Place, Principal, PrincipalKind, note
from runyard.server.auth.service import end_of_run
from runyard.server.auth.types import RunFound, RunScope
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock, ids
from runyard.server.kernel.errors import InvalidArgument, NotFound, PermissionDenied, RunyardError
from runyard.server.tracking import names, rules
from runyard.server.tracking.service.access import admit, in_scope, refusal
from runyard.server.tracking.service.access import experiment_id as id_of
from runyard.server.tracking.service.experiments import check_active, missing
from runyard.server.tracking.store import attributes
from runyard.server.tracking.store import experiments as experiment_store
from runyard.server.tracking.store import runs as store
from runyard.server.tracking.store.experiments import Home
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Lifecycle, NewRun, Run, RunInfo, RunStatus, Tag
from runyard.server.workspaces.rules import used_up
from runyard.server.workspaces.service import Room, Tally

# MLflow's Python client sends the second when it knows of no user.
_NOBODY = ("", "unknown")


class Runs:
    """Create, get, change, delete and restore runs.

    Args:
        database: where they live.
        keys: the interned names.
        room: the quotas.
    """

    def __init__(self, database: Database, keys: Keys, room: Room) -> None:
        self._database = database
        self._keys = keys
        self._creation = _Creation(keys, room)

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

        The name comes from `name`, else from the tag `mlflow.runName`, else it is generated. Where nobody is
        named as its user, it is whoever is signed in.
        """
        if user_id in _NOBODY and principal.identity.kind is not PrincipalKind.LOCAL:
            user_id = principal.name
        rules.check_text(user_id, rules.MAX_USER_ID, "user_id")
        rules.check_count(len(tags), "tags")
        all_tags = _with_name(tags, name)
        for i, tag in enumerate(tags):
            rules.check_run_tag(tag, f"tags[{i}].")
        new = NewRun(
            ids.new_run_id(),
            id_of(principal, experiment_id),
            all_tags[rules.NAME_TAG],
            user_id,
            clock.now_ms() if start_time is None else start_time,
            [Tag(key, value) for key, value in sorted(all_tags.items())],
        )
        return await self._database.write_bulk(self._creation, (principal, new))

    async def get(self, principal: Principal, run_id: str) -> Run:
        """One run with everything that is logged to it, in any lifecycle."""

        def read(connection: Connection) -> Run:
            found = must_find(connection, self._keys, principal, run_id)
            return store.load(connection, self._keys, [found])[0]

        return await self._database.read_point(read)

    async def update(
        self, principal: Principal, run_id: str, *, status: int | None, end_time: int | None, name: str | None
    ) -> RunInfo:
        """Change an active run's status, end time or name; what is None stays."""
        if name:
            rules.check_text(name, rules.MAX_RUN_NAME, "run_name")

        def mutate(tx: Transaction) -> RunInfo:
            found = must_be_active(tx, self._keys, principal, run_id)
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
            if status is not None and RunStatus(status).over:
                end_of_run(tx, run_id)
            return changed

        return await self._database.write(mutate)

    async def delete(self, principal: Principal, run_id: str) -> None:
        """Move a run to the trash; one that is there stays there."""
        await self._set_lifecycle(principal, run_id, Lifecycle.DELETED, "run.delete")

    async def restore(self, principal: Principal, run_id: str) -> None:
        """Bring a run back; an active one stays as it is.

        Raises:
            InvalidArgument: its experiment is deleted.
        """
        await self._set_lifecycle(principal, run_id, Lifecycle.ACTIVE, "run.restore")

    async def _set_lifecycle(self, principal: Principal, run_id: str, wanted: Lifecycle, action: str) -> None:
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = must_lock(tx, self._keys, principal, run_id, Permission.RUN_DELETE)
            if found.lifecycle != wanted:
                if wanted is Lifecycle.ACTIVE:
                    check_homes(tx, principal, {run_id: found.experiment_id})
                store.set_lifecycle(tx, found.id, wanted, now)
                if wanted is Lifecycle.DELETED:
                    end_of_run(tx, run_id)
                note(tx, principal, action, "run", run_id, experiment=found.experiment_id)

        await self._database.write(mutate)

    async def delete_tag(self, principal: Principal, run_id: str, key: str) -> None:
        """Delete one tag of an active run."""

        def mutate(tx: Transaction) -> None:
            found = must_be_active(tx, self._keys, principal, run_id)
            key_id = self._keys.find(tx, [key]).get(key)
            if key_id is None or not attributes.delete_tag(tx, found.id, key_id):
                raise NotFound(f"No tag with name: {rules.cut(key)} in run with id {run_id}", field="key")

        await self._database.write(mutate)


class _Creation:
    """Creates all runs of a group with one statement per table."""

    def __init__(self, keys: Keys, room: Room) -> None:
        self._keys = keys
        self._room = room

    def run(self, tx: Transaction, items: Sequence[tuple[Principal, NewRun]]) -> list[Run | RunyardError]:
        """Each item's run, or why it can't be created."""
        homes = experiment_store.lock_homes(tx, {new.experiment_id for _, new in items})
        keys = self._keys.intern(tx, {tag.key for _, new in items for tag in new.tags})
        tally = self._room.tally(tx)
        outcomes: list[Run | RunyardError] = []
        rows: list[store.NewRow] = []
        tag_rows: list[tuple[int, int, int, str]] = []
        addresses: dict[int, str] = {}
        run_ids = iter(store.reserve_ids(tx, len(items)))
        for principal, item in items:
            home = homes.get(item.experiment_id)
            refused = self._refused(tx, principal, item, home)
            refused = refused or self._no_room(tally, principal, item)
            if home is None or refused is not None:
                outcomes.append(refused or missing(item.experiment_id))
                continue
            tally.add_run(principal.workspace.id, item.experiment_id)
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

    def _no_room(self, tally: Tally, principal: Principal, new: NewRun) -> RunyardError | None:
        quotas = self._room.quotas(principal.workspace.id)
        limit = quotas.tags_per_run
        if limit is not None and len(new.tags) > limit:
            return used_up("tags_per_run", principal, new.uuid, used=0, limit=limit, more=len(new.tags))
        return tally.refuse_run(principal, quotas, new.experiment_id)

    def _refused(
        self, tx: Transaction, principal: Principal, new: NewRun, home: Home | None
    ) -> RunyardError | None:
        experiment = new.experiment_id
        if home is None or home.workspace_id != principal.workspace.id:
            return missing(experiment)
        place = Place(experiment, home.name)
        refused = refusal(principal, Permission.RUN_WRITE, place, lambda: missing(experiment))
        if refused is not None:
            return refused
        parent = next((tag.value for tag in new.tags if tag.key == rules.PARENT_TAG), "")
        if not in_scope(tx, self._keys, principal, parent):
            return PermissionDenied(
                "This token is for one run and those below it: a new run needs that run, or one below it, as "
                f"its parent (tag '{rules.PARENT_TAG}')."
            )
        return check_active(experiment, home.lifecycle)


def must_find(
    connection: Connection,
    keys: Keys,
    principal: Principal,
    run_id: str,
    permission: Permission = Permission.RUN_READ,
) -> RunInfo:
    """The run's row, in any lifecycle, for whoever holds the permission there."""
    return _admitted(
        connection,
        keys,
        principal,
        run_id,
        permission,
        store.find(connection, principal.workspace.id, run_id),
    )


def must_lock(
    tx: Transaction, keys: Keys, principal: Principal, run_id: str, permission: Permission
) -> RunInfo:
    """Like `must_find`; nobody else changes the row until the transaction ends."""
    found = store.lock(tx, principal.workspace.id, run_id)
    return _admitted(tx, keys, principal, run_id, permission, found)


def must_be_active(
    tx: Transaction,
    keys: Keys,
    principal: Principal,
    run_id: str,
    permission: Permission = Permission.RUN_WRITE,
) -> RunInfo:
    """Like `must_lock`, for a run that isn't deleted."""
    found = must_lock(tx, keys, principal, run_id, permission)
    refused = refuse_deleted(run_id, found.lifecycle)
    if refused is not None:
        raise refused
    return found


def find_for_token(keys: Keys, tx: Transaction, principal: Principal, run_id: str) -> RunFound:
    """The active run that a token is asked for, for whoever may write to it."""
    found = must_be_active(tx, keys, principal, run_id)
    return RunFound(RunScope(found.uuid, found.experiment_id), RunStatus(found.status).over)


def readable(
    connection: Connection, keys: Keys, principal: Principal, run_ids: Sequence[str]
) -> dict[str, store.RunKey]:
    """Those of the runs that stand in the principal's workspace and that it may read."""
    found = store.find_ids(connection, list(dict.fromkeys(run_ids)))
    return {run: key for run, key in found.items() if refuse(connection, keys, principal, run, key) is None}


def refuse(
    connection: Connection,
    keys: Keys,
    principal: Principal,
    run_id: str,
    found: store.RunKey | None,
    permission: Permission = Permission.RUN_READ,
) -> RunyardError | None:
    """Why the principal may not do something with a run; None when it may."""
    if found is None or found.workspace_id != principal.workspace.id:
        return missing_run(run_id)
    if not in_scope(connection, keys, principal, run_id):
        return missing_run(run_id)
    return refusal(principal, permission, found.place, lambda: missing_run(run_id))


def _admitted(
    connection: Connection,
    keys: Keys,
    principal: Principal,
    run_id: str,
    permission: Permission,
    found: store.Located | None,
) -> RunInfo:
    if found is None or not in_scope(connection, keys, principal, run_id):
        raise missing_run(run_id)
    admit(principal, permission, found.place, lambda: missing_run(run_id))
    return found.info


def check_homes(connection: Connection, principal: Principal, experiment_of: Mapping[str, int]) -> None:
    """That the experiments of runs are there for the runs to come back to.

    Raises:
        InvalidArgument: one is deleted.
    """
    homes = experiment_store.find_many(
        connection, principal.workspace.id, list(dict.fromkeys(experiment_of.values()))
    )
    for run, experiment in experiment_of.items():
        if experiment not in homes or homes[experiment].lifecycle is not Lifecycle.ACTIVE:
            raise InvalidArgument(
                f"The run {run} is in the trash with its experiment {experiment}; restore the experiment "
                "first.",
                field="run_id",
            )


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
