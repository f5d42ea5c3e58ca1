"""What a principal may see and do in experiments: whatever it may not see, it finds missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from runyard.server.auth import Permission, Place, Principal, WorkspaceRef, require, sees
from runyard.server.db import Connection
from runyard.server.kernel.errors import NotFound, PermissionDenied
from runyard.server.tracking import rules
from runyard.server.tracking.store import experiments, runs
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Lifecycle

# How many parents are followed from a run upwards.
MAX_DEPTH = 32


def admit(
    principal: Principal, permission: Permission, place: Place, missing: Callable[[], NotFound]
) -> None:
    """Let a principal do something in an experiment.

    Raises:
        NotFound: it may not see the experiment; made by `missing`, as for one that doesn't exist.
        PermissionDenied: it sees the experiment and may not do this.
    """
    if not sees(principal, place):
        raise missing()
    require(principal, permission, place)


def refusal(
    principal: Principal, permission: Permission, place: Place, missing: Callable[[], NotFound]
) -> NotFound | PermissionDenied | None:
    """The error that `admit` would raise, if any."""
    try:
        admit(principal, permission, place, missing)
    except (NotFound, PermissionDenied) as error:
        return error
    return None


def experiment_id(principal: Principal, sent: int) -> int:
    """The experiment that a client means: 0 is the default one of the workspace."""
    return sent or principal.workspace.default_experiment


def visible(
    connection: Connection, principal: Principal, sent: Iterable[int], permission: Permission
) -> dict[int, Lifecycle]:
    """Those of the experiments in the workspace in which the principal has a permission, in this order."""
    ids = list(dict.fromkeys(experiment_id(principal, one) for one in sent))
    found = experiments.find_many(connection, principal.workspace.id, ids)
    places = {one: Place(one, found[one].name) for one in ids if one in found}
    return {
        one: found[one].lifecycle
        for one, place in places.items()
        if sees(principal, place) and principal.access.allows(permission, place)
    }


def places(connection: Connection, workspace: WorkspaceRef, sent: Sequence[int]) -> dict[int, Place]:
    """Where those of the experiments stand that exist in the workspace, by the ids that were sent."""
    ids = {one: one or workspace.default_experiment for one in sent}
    there = experiments.find_many(connection, workspace.id, list(set(ids.values())))
    return {one: Place(found, there[found].name) for one, found in ids.items() if found in there}


def in_scope(connection: Connection, keys: Keys, principal: Principal, run: str) -> bool:
    """Whether a credential that is for one run reaches this run: that one, or one below it."""
    scope = principal.access.scope
    if scope is None:
        return True
    key: int | None = None
    for _ in range(MAX_DEPTH):
        if run == scope.run:
            return True
        if key is None:
            key = keys.find(connection, [rules.PARENT_TAG]).get(rules.PARENT_TAG)
        parent = None if key is None else runs.parent(connection, run, key)
        if parent is None:
            return False
        run = parent
    return False
