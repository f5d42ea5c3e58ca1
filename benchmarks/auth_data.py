"""Makes a database that many share: users, workspaces and rules of folders beside some runs.

Rows go into the tables in bulk, as the server would have written them. Every user is in one group, which has
the role. Nine of ten rules belong to another group, in which only the first user is: that one has them all to
load and to look through, more than any real team gives one person. The other rules are those of users, one
each.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, bindparam, insert

from benchmarks.run_data import START_MS, WORKSPACE, make, transaction
from runyard.server.auth import DEFAULT_WORKSPACE, Level, PrincipalKind
from runyard.server.auth import tables as t
from runyard.server.auth.types import TokenKind
from runyard.server.db import Dialect, Query, Transaction
from runyard.server.workspaces.tables import workspace

RUNS = 3_000
FOLDER = "/Shared/team-0/vision/"
ROLE = "Data Scientist"
_FAR = 4_102_444_800_000  # the year 2100
_EVERYONE, _LEADS, _USERS = 1, 2, 3
_OF_LEADS = 0.9


@dataclass(frozen=True)
class Size:
    """How many of each."""

    users: int
    workspaces: int
    rules: int


@dataclass(frozen=True)
class Shared:
    """What was made: the experiment with the runs, and a header with a token for each user."""

    experiment: int
    tokens: tuple[str, ...]


def make_shared(dialect: Dialect, size: Size, progress: Callable[[str], None]) -> Shared:
    """Fill a new database; without users it is a server without login."""
    # In a folder, so that its rules count.
    made = make(dialect, RUNS, folder=FOLDER)
    driver = dialect.connect(readonly=False)
    try:
        with transaction(dialect, driver) as tx:
            _add(tx, workspace, _workspaces(size.workspaces))
            if size.users:
                _add(tx, t.principal, _principals(size.users))
                _add(tx, t.group_member, _members(size.users))
                _add(tx, t.role_assignment, _roles(size.workspaces))
                _add(tx, t.folder_rule, _rules(size.rules))
                _add(tx, t.token, _tokens(size.users))
    finally:
        driver.close()
    progress(f"{size.users:,} users, {size.workspaces:,} workspaces, {size.rules:,} rules written")
    return Shared(made.experiment, tuple(f"Authorization: Bearer {_secret(i)}" for i in range(size.users)))


def _secret(user: int) -> str:
    return f"{TokenKind.PERSONAL.prefix}{hashlib.sha256(b'%d' % user).hexdigest()}"


def _workspaces(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "id": DEFAULT_WORKSPACE.id + 1 + number,
            "name": f"team-{number}",
            "description": "",
            "state": 0,
            "creation_time": START_MS,
            "last_update_time": START_MS,
            "default_experiment_id": -1 - number,
        }


def _principals(users: int) -> Iterator[dict[str, Any]]:
    names = ["everyone", "leads", *(f"user-{number}@example.org" for number in range(users))]
    for number, name in enumerate(names, _EVERYONE):
        yield {
            "id": number,
            "kind": int(PrincipalKind.GROUP if number < _USERS else PrincipalKind.USER),
            "name": name,
            "display_name": "",
            "email": "",
            "is_admin": 0,
            "is_disabled": 0,
            "creation_time": START_MS,
        }


def _members(users: int) -> Iterator[dict[str, Any]]:
    yield {"group_id": _LEADS, "principal_id": _USERS}
    for number in range(users):
        yield {"group_id": _EVERYONE, "principal_id": _USERS + number}


def _roles(workspaces: int) -> Iterator[dict[str, Any]]:
    for number in range(workspaces + 1):
        yield {"workspace_id": DEFAULT_WORKSPACE.id + number, "principal_id": _EVERYONE, "role": ROLE}


def _rules(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        level = Level.EDIT if number % 3 == 0 else Level.READ
        yield {
            "workspace_id": WORKSPACE,
            "principal_id": _LEADS
            if number <= _OF_LEADS * count
            else _USERS + number - int(_OF_LEADS * count),
            "path": f"/Shared/team-{number}",
            "level": int(level),
        }


def _tokens(users: int) -> Iterator[dict[str, Any]]:
    for number in range(users):
        yield {
            "hash": hashlib.sha256(_secret(number).encode()).digest(),
            "kind": int(TokenKind.PERSONAL),
            "principal_id": _USERS + number,
            "name": "bench",
            "creation_time": START_MS,
            "expiry_time": _FAR,
        }


def _add(tx: Transaction, table: Table, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows, None)
    if first is not None:
        query = Query(insert(table).values({name: bindparam(name) for name in first}))
        given: Sequence[dict[str, Any]] = list(itertools.chain([first], rows))
        tx.execute_many(query, given)
