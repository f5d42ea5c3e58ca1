"""Folders: what lies in them, for whoever may see it, and moving them.

An experiment's name is its path; a folder is there while an experiment lies in it or below it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from runyard.server.auth import Permission, Place, Principal, note, require, sees
from runyard.server.auth.service import immovable, move_rules, require_to_leave
from runyard.server.db import Connection, Database, Transaction
from runyard.server.kernel import clock
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.tracking import rules
from runyard.server.tracking.store import experiments
from runyard.server.tracking.store import folders as store
from runyard.server.tracking.store.folders import Range
from runyard.server.tracking.types import Experiment, Lifecycle, Page, Value

T = TypeVar("T")

MAX_PAGE = 1000
# A move is one transaction, for which all others wait.
MAX_MOVED = 5_000


class Folder(Value, frozen=True, gc=False):
    """A folder as somebody sees it.

    Attributes:
        path: from the top of the workspace.
        experiments: the active ones right in it.
        experiments_below: those and the ones in the folders below.
    """

    path: str
    experiments: int
    experiments_below: int


class Moved(NamedTuple):
    """What a move changed, or would: active experiments, deleted ones, rules, also deleted principals'."""

    experiments: int
    deleted: int
    rules: int


class Folders:
    """List and move folders. Always in the caller's workspace.

    Args:
        database: where they live.
        changed: called once rules have moved.
    """

    def __init__(self, database: Database, changed: Callable[[], None]) -> None:
        self._database = database
        self._changed = changed

    async def page(self, principal: Principal, path: str, limit: int, token: str | None) -> Page[Folder]:
        """A page of the folders right below one, by path; those in which the principal sees nothing aren't.

        Raises:
            NotFound: the principal sees nothing in this folder either.
        """
        path, kind, position = _begin("folders", path, limit, token)

        def read(connection: Connection) -> Page[Folder]:
            within = Range.of(rules.beginning(path))
            workspace, start = principal.workspace.id, store.behind(position) if position else ""
            found: list[Folder] = []
            while len(found) <= limit:
                name = store.next_name(connection, workspace, within, start)
                child = None if name is None else rules.folder_in(within.start, name)
                if child is None:
                    break
                start = store.behind(child)
                folder = _seen(connection, principal, child)
                if folder.experiments_below:
                    found.append(folder)
            if not found and not position:
                _must_see(connection, principal, path, within)
            return _page(kind, found, limit, lambda folder: folder.path)

        return await self._database.read(read)

    async def experiments(
        self, principal: Principal, path: str, limit: int, token: str | None
    ) -> Page[Experiment]:
        """A page of the active experiments right in a folder, by name.

        Raises:
            NotFound: the principal sees nothing in this folder.
        """
        path, kind, position = _begin("folder's experiments", path, limit, token)

        def read(connection: Connection) -> Page[Experiment]:
            within = Range.of(rules.beginning(path))
            found: list[Experiment] = []
            after, more = position, True
            # Some may be hidden from the principal: read on until the page is full.
            while more and len(found) <= limit:
                rows = store.page(connection, principal.workspace.id, within, after, limit + 1)
                found += [row for row in rows if sees(principal, row.place)]
                more = len(rows) > limit
                after = rows[-1].name if rows else after
            if not found and not position:
                _must_see(connection, principal, path, within)
            return _page(kind, found, limit, lambda experiment: experiment.name)

        return await self._database.read(read)

    async def move(self, principal: Principal, path: str, to: str, *, dry_run: bool) -> Moved:
        """Give a folder another path, with its rules and all experiments in it and below; or nothing.

        Deleted ones move along. It takes what renaming each experiment and setting each rule would, and the
        right to delete what moves to where the principal may do more with it, and what lies in the trash.

        Args:
            principal: who does it.
            path: the folder. An experiment of this very name moves along: the folder's rules are its own.
            to: its new path. What lies there already stays.
            dry_run: only tell what would move.

        Raises:
            NotFound: there is no such folder for the principal.
            PermissionDenied: the principal may not move something in it.
            AlreadyExists: a name is taken at the new path, or a rule stands there.
        """
        path, to = rules.folder(path), rules.folder(to, "to")
        rules.check_move(path, to)
        now = clock.now_ms()

        def mutate(tx: Transaction) -> Moved:
            workspace = principal.workspace.id
            found = store.lock(tx, workspace, path, MAX_MOVED + 1)
            if not found and not sees(principal, Place(-1, path)):
                raise _missing(path)
            names = _admitted(principal, found, path, to)
            _check_free(tx, workspace, found, names)
            moved_rules = move_rules(tx, principal, path, to, dry_run=dry_run)
            if not found and not moved_rules:
                raise _missing(path)
            active = sum(one.lifecycle is Lifecycle.ACTIVE for one in found)
            moved = Moved(active, len(found) - active, moved_rules)
            if not dry_run:
                # A folder that moves up: an experiment's new name may be another one's old name. The shorter
                # goes first.
                store.rename(tx, sorted(names.items(), key=lambda item: len(item[1])), now)
                note(tx, principal, "folder.move", "folder", path, to=to, **moved._asdict())
                tx.after_commit(self._changed)
            return moved

        return await self._database.write(mutate)


def _begin(what: str, path: str, limit: int, token: str | None) -> tuple[str, str, str]:
    """A list's folder, the kind of its tokens, and the position behind which the page begins."""
    path = rules.folder(path)
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidArgument(f"'limit' is 1 to {MAX_PAGE:,}, not {limit:,}.", field="limit")
    kind = f"{what} {path}"
    position = decode_token(kind, token) if token else [""]
    if len(position) != 1 or not isinstance(position[0], str) or "\0" in position[0]:
        raise InvalidArgument("Invalid page_token: start again without it.", field="page_token")
    return path, kind, position[0]


def _page(kind: str, found: list[T], limit: int, position: Callable[[T], str]) -> Page[T]:
    if len(found) <= limit:
        return Page(found, None)
    return Page(found[:limit], encode_token(kind, [position(found[limit - 1])]))


def _seen(connection: Connection, principal: Principal, path: str) -> Folder:
    """A folder with what somebody sees of it."""
    within = Range.of(rules.beginning(path))
    workspace = principal.workspace.id
    if not principal.access.may_differ:
        # What is nowhere allowed otherwise is allowed everywhere or nowhere.
        if not sees(principal, Place(-1, path)):
            return Folder(path, 0, 0)
        return Folder(path, *store.count(connection, workspace, within))
    direct = below = 0
    for place in store.names(connection, workspace, within):
        if sees(principal, place):
            below += 1
            direct += rules.folder_in(within.start, place.name) is None
    return Folder(path, direct, below)


def _must_see(connection: Connection, principal: Principal, path: str, within: Range) -> None:
    if path == "/":
        return
    if not any(sees(principal, place) for place in store.names(connection, principal.workspace.id, within)):
        raise _missing(path)


def _admitted(principal: Principal, found: Sequence[store.Found], path: str, to: str) -> dict[int, str]:
    """The new names of experiments by their ids, for whoever may rename all of them."""
    seen = [one for one in found if sees(principal, one.place)]
    if found and not seen:
        raise _missing(path)
    if len(seen) < len(found):
        raise immovable(path)
    if len(found) > MAX_MOVED:
        raise InvalidArgument(
            f"'{rules.cut(path)}' holds more than {MAX_MOVED:,} experiments, which is the most that moves at "
            "once: move the folders in it one by one.",
            field="path",
        )
    names = {}
    for one in found:
        name = names[one.id] = to + one.name[len(path) :]
        if len(name) > rules.MAX_EXPERIMENT_NAME:
            raise InvalidArgument(
                f"The experiment {one.id}, '{rules.cut(one.name)}', would get a name of {len(name)} "
                f"characters; {rules.MAX_EXPERIMENT_NAME} are allowed. Choose a shorter path.",
                field="to",
            )
        require(principal, Permission.EXPERIMENT_WRITE, one.place)
        require(principal, Permission.EXPERIMENT_WRITE, Place(-1, name))
        require_to_leave(principal, one.place, name, deleted=one.lifecycle is not Lifecycle.ACTIVE)
    return names


def _check_free(tx: Transaction, workspace: int, found: Sequence[store.Found], names: dict[int, str]) -> None:
    """Refuse new names that active experiments have which don't move themselves."""
    active = {one.id for one in found if one.lifecycle is Lifecycle.ACTIVE}
    taken = experiments.active_names(tx, workspace, [names[one] for one in active])
    for name, other in taken.items():
        if other not in active:
            raise AlreadyExists(
                f"Nothing was moved: the name '{rules.cut(name)}' is taken by the experiment {other}. Rename "
                "or delete that one first, or choose another path.",
                field="to",
            )


def _missing(path: str) -> NotFound:
    return NotFound(f"There is no folder '{rules.cut(path)}' that you may see.", field="path")
