"""Rules of folders and experiments: what single principals may do there, whatever their roles say.

What somebody may not see has no rules for them either; whoever may change permissions at a place sets and
deletes the rules there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from runyard.server.auth import names
from runyard.server.auth.permissions import Level, Permission
from runyard.server.auth.records import Page, Rule
from runyard.server.auth.service.activity import note
from runyard.server.auth.service.members import must_be_somebody
from runyard.server.auth.service.paging import begin, cut
from runyard.server.auth.service.policy import require, sees
from runyard.server.auth.store import grants as store
from runyard.server.auth.store import groups, held, principals
from runyard.server.auth.types import Place, Principal, WorkspaceRef, ancestors
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied

# The places of those experiments that exist in a workspace, by the ids that were sent.
FindPlaces = Callable[[Connection, WorkspaceRef, Sequence[int]], Mapping[int, Place]]
READ, WRITE = Permission.RULE_READ, Permission.RULE_WRITE
# Where the experiments' rules begin in the list of all: no path is so high.
_AFTER_FOLDERS = "\U0010ffff"
# Rules that move with a folder, in one transaction.
MAX_MOVED = 1_000


class At(msgspec.Struct, frozen=True):
    """Where a rule stands: at a folder's path or at an experiment, and not at both."""

    path: str | None = None
    experiment: int | None = None


class Rules:
    """Show, set and delete rules. Always in the caller's workspace.

    Args:
        database: where they live.
        find_places: knows experiments.
        changed: called after each change that could open or close a door.
    """

    def __init__(self, database: Database, find_places: FindPlaces, changed: Callable[[], None]) -> None:
        self._database = database
        self._find_places = find_places
        self._changed = changed

    async def set(self, principal: Principal, at: At, name: str, level: Level) -> None:
        """Set what a user, service principal or group may do at a place and below it.

        Raises:
            NotFound: there is no such place for the caller, or no such principal.
            PermissionDenied: the caller may not change permissions there.
        """

        def mutate(tx: Transaction) -> None:
            place = self._admitted(tx, principal, at, WRITE)
            target = must_be_somebody(name, principals.hold(tx, name.lower()), "principal")
            workspace = principal.workspace.id
            before = store.level_at(tx, workspace, target.id, _key(place))
            if place.experiment < 0:
                store.set_folder_rule(tx, workspace, target.id, place.name, level)
            else:
                store.set_experiment_rule(tx, workspace, target.id, place.experiment, level)
            _note(tx, principal, "rule.set", place, target.name, level=level, before=before)
            tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def drop(self, principal: Principal, at: At, name: str) -> None:
        """Delete a rule: from now on the next one above decides, or the roles do.

        Raises:
            NotFound: there is no such place for the caller, or no such rule.
            PermissionDenied: the caller may not change permissions there.
        """

        def mutate(tx: Transaction) -> None:
            place = self._admitted(tx, principal, at, WRITE)
            target = must_be_somebody(name, principals.find(tx, name.lower()), "principal")
            found = store.drop_rule(tx, principal.workspace.id, target.id, _key(place))
            if found is None:
                raise NotFound(f"'{target.name}' has no rule at this place itself.", field="principal")
            _note(tx, principal, "rule.delete", place, target.name, before=found)
            tx.after_commit(self._changed)

        await self._database.write(mutate)

    async def at(
        self, principal: Principal, at: At, name: str | None, limit: int, token: str | None
    ) -> Page[Rule]:
        """The rules that hold at a place, nearest first: those that stand there, and the inherited ones.

        Args:
            principal: who asks.
            at: where.
            name: only those that concern this principal: its own and its groups'; None for all.
            limit: the page's size.
            token: where the page starts.
        """

        def read(connection: Connection) -> Page[Rule]:
            place = self._admitted(connection, principal, at, READ)
            kind = f"rules at {place.experiment} {place.name}"
            distance, last = begin(kind, limit, token, [-1, ""])
            above = ancestors(place.name)
            order = {path: i + 1 for i, path in enumerate(above)}
            found = store.at_folders(connection, principal.workspace.id, above)
            if place.experiment >= 0:
                found += store.at_experiment(connection, principal.workspace.id, place.experiment, place.name)

            named: set[str] | None = None
            if name is not None:
                target = must_be_somebody(name, principals.find(connection, name.lower()), "principal")
                named = {target.name, *groups.groups_of(connection, target.id)}

            def position(rule: Rule) -> list[int | str]:
                return [0 if rule.experiment is not None else order[rule.path], rule.principal]

            rules = sorted((rule for rule in found if named is None or rule.principal in named), key=position)
            own = 1 if place.experiment < 0 else 0
            shown = [
                msgspec.structs.replace(rule, inherited=position(rule)[0] != own)
                for rule in rules
                if position(rule) > [distance, last]
            ]
            return cut(kind, shown, limit, position)

        return await self._database.read(read)

    async def all(self, principal: Principal, name: str | None, limit: int, token: str | None) -> Page[Rule]:
        """All rules of the workspace that the caller may see: folders' by path, then experiments'."""
        kind = f"rules of {principal.workspace.id} {name or ''}"
        path, experiment, last = begin(kind, limit, token, ["", -1, 0])

        def read(connection: Connection) -> Page[Rule]:
            only = None
            if name is not None:
                only = must_be_somebody(name, principals.find(connection, name.lower()), "principal").id
            at, found = (path, experiment, last), list[tuple[Rule, list[int | str]]]()
            more = True
            # Some may be hidden from the caller: read on until the page is full.
            while more and len(found) <= limit:
                rows, at, more = self._next(connection, principal, only, at, limit + 1)
                found += rows
            page = cut(kind, found, limit, lambda item: item[1])
            return Page([rule for rule, _ in page.items], page.next_token)

        return await self._database.read(read)

    def _next(
        self,
        connection: Connection,
        principal: Principal,
        only: int | None,
        at: tuple[str, int, int],
        count: int,
    ) -> tuple[list[tuple[Rule, list[int | str]]], tuple[str, int, int], bool]:
        """The next rules that the caller may see with their positions, where to go on, and whether to."""
        path, experiment, last = at
        workspace = principal.workspace
        found = list[tuple[Rule, list[int | str]]]()
        if path != _AFTER_FOLDERS:
            rows = store.folders_page(connection, workspace.id, only, (path, last), count)
            for rule, number in rows:
                if principal.access.allows(READ, Place(-1, rule.path)):
                    found.append((rule, [rule.path, -1, number]))
            if len(rows) == count:
                return found, (rows[-1][0].path, -1, rows[-1][1]), True
            return found, (_AFTER_FOLDERS, -1, 0), True
        rows = store.experiments_page(connection, workspace.id, only, (experiment, last), count)
        places = self._find_places(connection, workspace, [rule.experiment or 0 for rule, _ in rows])
        for rule, number in rows:
            place = places.get(rule.experiment or 0)
            if place is not None and principal.access.allows(READ, place):
                shown = msgspec.structs.replace(rule, path=place.name)
                found.append((shown, [_AFTER_FOLDERS, place.experiment, number]))
        if not rows:
            return found, at, False
        end = rows[-1][0].experiment or 0
        return found, (_AFTER_FOLDERS, end, rows[-1][1]), len(rows) == count

    def _admitted(
        self, connection: Connection, principal: Principal, at: At, permission: Permission
    ) -> Place:
        return admitted(connection, self._find_places, principal, at, permission)


def admitted(
    connection: Connection, find_places: FindPlaces, principal: Principal, at: At, permission: Permission
) -> Place:
    """The place, for whoever holds the permission there.

    Raises:
        NotFound: there is no such place for the principal.
        PermissionDenied: it doesn't hold the permission.
    """
    if (at.path is None) == (at.experiment is None):
        raise InvalidArgument("Name the place by either 'path' or 'experiment_id'.", field="path")
    if at.path is not None:
        place: Place | None = Place(-1, names.folder(at.path))
    else:
        sent = at.experiment or 0
        place = find_places(connection, principal.workspace, [sent]).get(sent)
    if place is None or not sees(principal, place):
        where = f"folder '{names.cut(at.path)}'" if at.path is not None else f"experiment {at.experiment}"
        field = "path" if at.path is not None else "experiment_id"
        raise NotFound(f"There is no {where} that you may see.", field=field)
    require(principal, permission, place)
    return place


def grant_experiment(tx: Transaction, principal: Principal, experiment_id: int, level: Level) -> None:
    """Give the principal who makes an experiment its rule there; the local principal needs none."""
    if principal.identity.id:
        store.set_experiment_rule(tx, principal.workspace.id, principal.identity.id, experiment_id, level)


def move_rules(tx: Transaction, principal: Principal, path: str, to: str, *, dry_run: bool) -> int:
    """Let the rules of a folder and of those below it stand at its new path; returns how many there are.

    It takes what deleting each of them at the old place and setting it at the new one would. Those of deleted
    principals move along; of two that meet the weaker one stays.

    Raises:
        PermissionDenied: the principal may not do that with one of them.
        AlreadyExists: whom a rule is for has one at the new place already.
        InvalidArgument: there are too many, or a new path is too long.
    """
    workspace = principal.workspace.id
    held.lock_rules(tx)
    found = store.lock_folder_rules(tx, workspace, path, MAX_MOVED + 1)
    waiting = held.rules_below(tx, workspace, path, MAX_MOVED + 1)
    moved = _new_paths(
        principal, [*(rule.path for rule, _ in found), *(rule.path for rule in waiting)], path, to
    )
    standing = {
        (rule.principal, rule.path) for rule in store.at_folders(tx, workspace, list(set(moved.values())))
    } - {(rule.principal, rule.path) for rule, _ in found}
    for rule, _ in found:
        if (rule.principal, moved[rule.path]) in standing:
            raise AlreadyExists(
                f"Nothing was moved: '{rule.principal}' has a rule at '{names.cut(rule.path)}' and one at "
                f"'{names.cut(moved[rule.path])}'. Delete one of them first.",
                field="to",
            )
    if not dry_run:
        # A folder that moves up: a rule's new path may be another one's old path. The shorter one goes first.
        ordered = sorted(found, key=lambda item: len(item[0].path))
        store.move_folder_rules(
            tx, workspace, [(number, rule.path, moved[rule.path]) for rule, number in ordered]
        )
        for rule, _ in found:
            level, new = rule.level.name.lower(), moved[rule.path]
            note(tx, principal, "rule.move", "folder", rule.path, holder=rule.principal, level=level, to=new)
        _move_waiting(tx, principal, waiting, path, to)
    return len(found) + len(waiting)


def _new_paths(principal: Principal, old: Sequence[str], path: str, to: str) -> dict[str, str]:
    """Where rules will stand, by where they do, for whoever may move all of them."""
    if any(not sees(principal, Place(-1, one)) for one in old):
        raise immovable(path)
    if len(old) > MAX_MOVED:
        raise InvalidArgument(
            f"'{names.cut(path)}' holds more than {MAX_MOVED:,} rules, which is the most that moves at once: "
            "move the folders in it one by one.",
            field="path",
        )
    moved = {one: names.folder(to + one[len(path) :], "to") for one in old}
    for one, new in moved.items():
        require(principal, WRITE, Place(-1, one))
        require(principal, WRITE, Place(-1, new))
    return moved


def _move_waiting(
    tx: Transaction, principal: Principal, waiting: Sequence[held.Waiting], path: str, to: str
) -> None:
    """Let the rules of deleted principals move, and note it; where two met, also what both gave."""
    there = held.move_rules(tx, principal.workspace.id, path, to)
    for rule in waiting:
        new = to + rule.path[len(path) :]
        met = there.get((rule.holder, new))
        levels = {"level": rule.level if met is None else min(rule.level, met)}
        if met is not None:
            levels |= {"before": rule.level, "there": met}
        told = {name: level.name.lower() for name, level in levels.items()}
        note(
            tx,
            principal,
            "rule.move",
            "folder",
            rule.path,
            workspace_id=None,
            holder=rule.principal,
            deleted=True,
            to=new,
            **told,
        )


def immovable(path: str) -> PermissionDenied:
    """The error for a folder that holds what somebody may not see: it is neither named nor counted."""
    return PermissionDenied(
        f"You may not move all that '{names.cut(path)}' holds, and a folder moves whole or not at all. Ask "
        "an owner of the workspace."
    )


def _key(place: Place) -> str | int:
    return place.name if place.experiment < 0 else place.experiment


def _note(
    tx: Transaction, principal: Principal, action: str, place: Place, holder: str, **levels: Level | None
) -> None:
    """Note a change with the level that was `before` and the one that is there now, if any."""
    kind = "folder" if place.experiment < 0 else "experiment"
    told = {name: level.name.lower() for name, level in levels.items() if level is not None}
    note(tx, principal, action, kind, _key(place), workspace_id=None, holder=holder, **told)
