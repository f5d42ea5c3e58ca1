"""Use cases of experiments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from runyard.server.auth import (
    DEFAULT_WORKSPACE,
    Level,
    Permission,
    Place,
    Principal,
    WorkspaceRef,
    note,
    require,
    sees,
)
from runyard.server.auth.service import end_of_experiment, grant_experiment, require_to_leave
from runyard.server.db import Connection, Database, Row, Transaction
from runyard.server.db.search_sql import Compiler
from runyard.server.db.sorting import SortKey, checked, pack, token_kind, unpack
from runyard.server.kernel import clock
from runyard.server.kernel.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.kernel.search import OrderTerm, parse_filter, parse_order_by
from runyard.server.tracking import rules
from runyard.server.tracking.service.access import admit
from runyard.server.tracking.service.access import experiment_id as id_of
from runyard.server.tracking.store import experiments as store
from runyard.server.tracking.store.columns import EXPERIMENT_TARGET, EXPERIMENTS
from runyard.server.tracking.types import Experiment, Lifecycle, Page, Tag, View
from runyard.server.workspaces.types import artifact_root

DEFAULT_NAME = "Default"


class Experiments:
    """Create, find, change, delete and restore experiments.

    Args:
        database: where they live.
        changed: called once somebody has got a rule of its own, by making an experiment.
    """

    def __init__(self, database: Database, changed: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._changed = changed

    async def create(
        self, principal: Principal, name: str, artifact_location: str | None, tags: Sequence[Tag]
    ) -> int:
        """A new experiment; returns its id.

        Raises:
            AlreadyExists: an active experiment has this name.
        """
        name = rules.experiment_name(name)
        require(principal, Permission.EXPERIMENT_WRITE, Place(-1, name))
        rules.check_count(len(tags), "tags")
        for i, tag in enumerate(tags):
            rules.check_key(tag.key, f"tags[{i}].key")
            rules.check_text(tag.value, rules.MAX_EXPERIMENT_TAG_VALUE, f"tags[{i}].value")
        if artifact_location is not None:
            rules.check_artifact_location(artifact_location)
        now = clock.now_ms()
        workspace = principal.workspace

        def mutate(tx: Transaction) -> int:
            taken = store.find_by_name(tx, workspace.id, name)
            if taken is not None:
                raise _taken(taken)
            created = store.insert(tx, workspace.id, name, artifact_location or "", now)
            if created is None:  # another server process was faster; what it committed shows only now
                taken = store.find_by_name(tx, workspace.id, name)
                raise _taken(taken) if taken is not None else _being_created(name)
            if not artifact_location:
                store.set_location(tx, created, f"{artifact_root(workspace.name)}/{created}")
            store.set_tags(tx, created, tags)
            grant_experiment(tx, principal, created, Level.MANAGE)
            if not principal.access.owner:
                tx.after_commit(self._changed)  # or it would have to wait until its access is looked up anew
            note(tx, principal, "experiment.create", "experiment", created, name=name)
            return created

        return await self._database.write(mutate)

    async def get(self, principal: Principal, experiment_id: int) -> Experiment:
        """One experiment, in any lifecycle."""
        wanted = id_of(principal, experiment_id)
        found = await self._database.read_point(lambda c: store.find(c, principal.workspace.id, wanted))
        if found is None or not sees(principal, found.place):
            raise missing(experiment_id)
        return found

    async def get_by_name(self, principal: Principal, name: str) -> Experiment:
        """The active experiment of a name, else the one of this name that was deleted last."""
        plain = rules.experiment_name(name)

        def read(connection: Connection) -> Experiment | None:
            found = store.all_of_name(connection, principal.workspace.id, plain)
            return next((one for one in found if sees(principal, one.place)), None)

        experiment = await self._database.read_point(read)
        if experiment is None:
            raise NotFound(f"Could not find experiment with name '{name}'", field="experiment_name")
        return experiment

    async def search(
        self,
        principal: Principal,
        *,
        filter_text: str,
        order_by: Sequence[str],
        view: View,
        limit: int,
        token: str | None,
    ) -> Page[Experiment]:
        """A page of experiments; without an order the newest come first, of equally old ones the first."""
        tree = parse_filter(filter_text, EXPERIMENTS, field="filter")
        order = parse_order_by(order_by, EXPERIMENTS)
        keys = _sort_keys(order)
        kind = token_kind("experiments", order)
        position = None
        if token is not None:
            position = checked(keys, unpack(decode_token(kind, token), len(keys)))

        def read(connection: Connection) -> Page[Experiment]:
            compiler = Compiler(EXPERIMENT_TARGET, connection.dialect.name, _Names())
            where = [] if tree is None else [compiler.compile(tree)]
            found: list[tuple[Row, Experiment]] = []
            after: Sequence[Any] | None = position
            more = True
            # Some may be hidden from the principal: read on until the page is full.
            while more and len(found) <= limit:
                rows = store.search(
                    connection, principal.workspace.id, view.lifecycles, where, keys, after, limit + 1
                )
                found += [row for row in rows if sees(principal, row[1].place)]
                more = len(rows) > limit
                after = rows[-1][0] if rows else after
            next_token = encode_token(kind, pack(found[limit - 1][0])) if len(found) > limit else None
            return Page([experiment for _, experiment in found[:limit]], next_token)

        return await self._database.read(read)

    async def rename(self, principal: Principal, experiment_id: int, name: str) -> None:
        """Give an active experiment a new name.

        Raises:
            AlreadyExists: an active experiment has it.
            PermissionDenied: the principal may not write at one of both places, or may do more at the new one
                and not delete at the old one.
        """
        name = rules.experiment_name(name)
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = must_lock(tx, principal, experiment_id, Permission.EXPERIMENT_WRITE)
            _admit_name(principal, found, name)
            if found.lifecycle is not Lifecycle.ACTIVE:
                raise InvalidArgument(
                    f"Cannot rename experiment {experiment_id}: it is deleted. Restore it first.",
                    field="experiment_id",
                )
            other = store.find_by_name(tx, principal.workspace.id, name)
            if other is not None and other.id != found.id:
                raise _taken(other)
            store.save(tx, found.id, name=name, lifecycle=found.lifecycle, now=now)
            note(tx, principal, "experiment.rename", "experiment", found.id, name=name, before=found.name)

        await self._database.write(mutate)

    async def delete(self, principal: Principal, experiment_id: int) -> None:
        """Move an experiment to the trash, with all that is in it: its row says so for all of it."""
        await self._change_lifecycle(principal, experiment_id, Lifecycle.DELETED)

    async def restore(self, principal: Principal, experiment_id: int, name: str | None = None) -> None:
        """Bring an experiment back; what was deleted in it by itself stays in the trash.

        Args:
            principal: who does it.
            experiment_id: which.
            name: a new name; without it, it comes back under its own.

        Raises:
            AlreadyExists: an active experiment has the name.
        """
        name = None if name is None else rules.experiment_name(name)
        await self._change_lifecycle(principal, experiment_id, Lifecycle.ACTIVE, name)

    async def set_tag(self, principal: Principal, experiment_id: int, tag: Tag) -> None:
        """Set one tag of an active experiment."""
        rules.check_key(tag.key, "key")
        rules.check_text(tag.value, rules.MAX_EXPERIMENT_TAG_VALUE, "value")
        await self._change_active(
            principal, experiment_id, lambda tx, found: store.set_tags(tx, found.id, [tag])
        )

    async def delete_tag(self, principal: Principal, experiment_id: int, key: str) -> None:
        """Delete one tag of an active experiment."""

        def mutate(tx: Transaction, found: Experiment) -> None:
            if not store.delete_tag(tx, found.id, key):
                raise NotFound(f"No tag with name: {key} in experiment with id {experiment_id}", field="key")

        await self._change_active(principal, experiment_id, mutate)

    async def _change_active(
        self, principal: Principal, experiment_id: int, change: Callable[[Transaction, Experiment], None]
    ) -> None:
        def mutate(tx: Transaction) -> None:
            change(tx, must_be_active(tx, principal, experiment_id, Permission.EXPERIMENT_WRITE))

        await self._database.write(mutate)

    async def _change_lifecycle(
        self, principal: Principal, experiment_id: int, wanted: Lifecycle, new_name: str | None = None
    ) -> None:
        now = clock.now_ms()

        def mutate(tx: Transaction) -> None:
            found = must_lock(tx, principal, experiment_id, Permission.EXPERIMENT_DELETE)
            name = found.name if new_name is None else new_name
            if name != found.name:
                require(principal, Permission.EXPERIMENT_WRITE, found.place)
                _admit_name(principal, found, name)
            if found.lifecycle is wanted:
                state = "active" if wanted is Lifecycle.ACTIVE else "in the trash"
                raise NotFound(f"Experiment {experiment_id} is {state} already.", field="experiment_id")
            if wanted is Lifecycle.ACTIVE:
                check_free(tx, principal.workspace.id, [(found.id, name)], "experiment_id")
            store.save(tx, found.id, name=name, lifecycle=wanted, now=now)
            if wanted is Lifecycle.DELETED:
                end_of_experiment(tx, found.id)
            action = "experiment.delete" if wanted is Lifecycle.DELETED else "experiment.restore"
            before: dict[str, Any] = {} if name == found.name else {"before": found.name}
            note(tx, principal, action, "experiment", found.id, name=name, **before)

        await self._database.write(mutate)


def check_free(tx: Transaction, workspace: int, wanted: Sequence[tuple[int, str]], field: str) -> None:
    """Refuse to bring experiments back, by their ids and names, whose names are taken.

    Raises:
        AlreadyExists: an active experiment has one of the names, or two of these have the same.
    """
    taken = store.active_names(tx, workspace, [name for _, name in wanted])
    for experiment_id, name in wanted:
        other = taken.setdefault(name, experiment_id)
        if other != experiment_id:
            raise AlreadyExists(
                f"The experiment {experiment_id} can't be restored: the experiment {other} has its name "
                f"'{rules.cut(name)}'. Rename that one first, or restore this one under another name: "
                f"`runyard experiment restore {experiment_id} --name NAME`, or POST "
                f"/api/runyard/1/experiments/{experiment_id}/restore with a 'name'.",
                field=field,
            )


def must_lock(
    tx: Transaction, principal: Principal, experiment_id: int, permission: Permission
) -> Experiment:
    """The experiment, in any lifecycle, for whoever holds the permission there.

    Nobody else changes it until the transaction ends.
    """
    found = store.lock(tx, principal.workspace.id, id_of(principal, experiment_id))
    if found is None:
        raise missing(experiment_id)
    admit(principal, permission, found.place, lambda: missing(experiment_id))
    return found


def must_be_active(
    tx: Transaction, principal: Principal, experiment_id: int, permission: Permission
) -> Experiment:
    """Like `must_lock`, for an experiment that isn't deleted."""
    found = must_lock(tx, principal, experiment_id, permission)
    refusal = check_active(experiment_id, found.lifecycle)
    if refusal is not None:
        raise refusal
    return found


def _admit_name(principal: Principal, experiment: Experiment, name: str) -> None:
    """Let a principal give an experiment that it may change another name.

    Elsewhere the rules of its new place decide, as for a new one: its own would carry it past them. Where the
    principal may do more there, it must be one that may delete here.
    """
    if _folder(name) != _folder(experiment.name) or name in principal.access.folders:
        require(principal, Permission.EXPERIMENT_WRITE, Place(-1, name))
    require_to_leave(principal, experiment.place, name)


def _folder(name: str) -> str:
    """The folder that a name lies in."""
    return name.rpartition("/")[0]


def create_default(tx: Transaction, workspace: WorkspaceRef, now: int) -> int:
    """The experiment that clients of a new workspace mean when they name none; returns its id."""
    if workspace.id == DEFAULT_WORKSPACE.id:
        store.insert_zero(tx, workspace.id, DEFAULT_NAME, f"{artifact_root(workspace.name)}/0", now)
        return 0
    created = store.insert(tx, workspace.id, DEFAULT_NAME, "", now)
    assert created is not None  # noqa: S101 - the workspace is new
    store.set_location(tx, created, f"{artifact_root(workspace.name)}/{created}")
    return created


def check_active(experiment_id: int, lifecycle: int) -> InvalidArgument | None:
    """The error for a write to a deleted experiment; None for an active one."""
    if lifecycle == Lifecycle.ACTIVE:
        return None
    return InvalidArgument(
        f"The experiment {experiment_id} must be in the 'active' state. "
        "Current state is deleted; restore it first.",
        field="experiment_id",
    )


def missing(experiment_id: object) -> NotFound:
    """The error for an experiment that doesn't exist."""
    return NotFound(f"No Experiment with id={experiment_id} exists", field="experiment_id")


def _taken(other: Experiment) -> AlreadyExists:
    return AlreadyExists(f"Experiment(name={other.name}) already exists.", field="name")


def _being_created(name: str) -> Conflict:
    return Conflict(f"Experiment '{name}' is being created by another request; get it by name.")


class _Names(dict[str, str]):
    """Tags of experiments hold their keys as they are."""

    def __missing__(self, name: str) -> str:
        return name

    def get(self, name: str, default: object = None) -> str:
        del default
        return name

    def __contains__(self, name: object) -> bool:
        return True


def _sort_keys(order: Sequence[OrderTerm]) -> list[SortKey]:
    columns = EXPERIMENT_TARGET.attributes
    terms = [SortKey(columns[term.field.key].column, term.ascending) for term in order]
    if not terms:
        terms = [SortKey(columns["creation_time"].column, ascending=False)]
    # Ties as MLflow orders them.
    return [*terms, SortKey(columns["experiment_id"].column, ascending=not order)]
