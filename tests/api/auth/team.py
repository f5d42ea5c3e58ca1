"""A server with a team: somebody of every role, each with a token, and a second workspace with its owner.

    def test_readers_write_nothing(team: Team) -> None:
        assert team["reader"].post("experiments/create", {"name": "x"}).error == (403, "PERMISSION_DENIED")

The fixture `team` is in `tests/api/auth/conftest.py`; to use it elsewhere, import it from there.

* `team["reader"]` is the server for the reader, `team.nobody` for whoever sends no credential.
* `team.of("reader", workspace="other")` is the same in another workspace.
* `team.token("reader")` is the token; `team.password` the administrator's password.

The team is written into the database before the server starts: hashing passwords would take a second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import insert, select, update

from runyard.server.auth import DEFAULT_WORKSPACE, WorkspaceRef
from runyard.server.auth.records import Token, User
from runyard.server.auth.service.passwords import hashed
from runyard.server.auth.store import groups, principals, roles, tokens
from runyard.server.auth.types import PrincipalKind, TokenKind
from runyard.server.db import Query, Transaction
from runyard.server.db.database import Database, open_dialect
from runyard.server.events.tables import event
from runyard.server.kernel import clock, ids
from runyard.server.tracking.service import WorkspaceContents
from runyard.server.workspaces.store import workspaces as workspace_store
from runyard.server.workspaces.tables import workspace
from tests.api.conftest import Api, serve

NATIVE = "/api/runyard/1"
OWN, FOREIGN = DEFAULT_WORKSPACE.name, "other"
GROUP = "team"
PASSWORD = "correct horse battery"
DAY = 24 * 3_600_000

# Members of the own workspace by their roles there; the group's comes to its member.
ROLES = {
    "owner": "Owner",
    "contributor": "Contributor",
    "scientist": "Data Scientist",
    "operator": "Compute Operator",
    "reader": "Reader",
    GROUP: "Data Scientist",
}
# Everybody who has a token: the roles, an administrator, a member of the group, a program that is a
# contributor, somebody without any role, and the owner of the foreign workspace.
PEOPLE = (
    "admin",
    "owner",
    "contributor",
    "scientist",
    "operator",
    "reader",
    "grouped",
    "program",
    "stranger",
    "foreigner",
)


_e = event.c
_EVENTS = Query(
    select(_e.workspace_id, _e.actor, _e.action, _e.target_type, _e.target, _e.detail).order_by(_e.id)
)


class Event(NamedTuple):
    """An entry of the activity log; workspace 0 is the server's."""

    workspace: int
    actor: str
    action: str
    kind: str
    target: str
    detail: dict[str, Any]


class Team:
    """The server for each of its users.

    Args:
        api: the started server.
        tokens: everybody's token by name.
        url: the database's address.
    """

    password = PASSWORD
    people = PEOPLE

    def __init__(self, api: Api, tokens: dict[str, str], url: str) -> None:
        self.api = api
        self._tokens = tokens
        self.url = url

    @property
    def nobody(self) -> Api:
        """The server for whoever sends no credential."""
        return self.api.as_()

    def __getitem__(self, name: str) -> Api:
        """The server for somebody, in the own workspace."""
        return self.of(name)

    def of(self, name: str, *, workspace: str | None = None) -> Api:
        """The server for somebody, in a workspace."""
        return self.api.as_(self._tokens[name], workspace=workspace)

    def token(self, name: str) -> str:
        """Somebody's token."""
        return self._tokens[name]

    def events(self, *actions: str) -> list[Event]:
        """What the activity log holds, oldest first; of these actions, or of all."""
        with opened(self.url) as database:
            rows = database.read_here(lambda c: c.rows(_EVENTS))
        found = [Event(row[0], row[1], row[2], row[3], row[4], msgspec.json.decode(row[5])) for row in rows]
        return [one for one in found if not actions or one.action in actions]


@cache
def _hash() -> str:
    return hashed(PASSWORD)


def populate(database: Database) -> dict[str, str]:
    """Write the team and both workspaces; returns everybody's token by name."""
    secrets = {name: ids.new_token(TokenKind.PERSONAL.prefix) for name in PEOPLE}
    database.write_from_thread(lambda tx: _populate(tx, secrets, clock.now_ms()))
    return secrets


def _populate(tx: Transaction, secrets: dict[str, str], now: int) -> None:
    found = {name: _principal(tx, name, now) for name in (*PEOPLE, GROUP)}
    foreign = add_workspace(tx, FOREIGN, now)
    for name, role in ROLES.items():
        roles.assign(tx, DEFAULT_WORKSPACE.id, found[name], role)
    roles.assign(tx, DEFAULT_WORKSPACE.id, found["program"], "Contributor")
    roles.assign(tx, foreign, found["foreigner"], "Owner")
    groups.add(tx, found[GROUP], found["grouped"])
    for name, secret in secrets.items():
        token = Token(ids.new_key(), TokenKind.PERSONAL, name, "test", None, None, now, now + 90 * DAY, None)
        tokens.insert(tx, token, hashlib.sha256(secret.encode()).digest(), found[name])


def _principal(tx: Transaction, name: str, now: int) -> int:
    kind = {GROUP: PrincipalKind.GROUP, "program": PrincipalKind.SERVICE}.get(name, PrincipalKind.USER)
    is_admin = name == "admin"
    user = User(ids.new_key(), kind, name, name.title(), "", is_admin, False, is_admin, False, now)
    assert principals.insert(tx, user, _hash() if is_admin else None)
    return user.id


def add_workspace(tx: Transaction, name: str, now: int) -> int:
    """A further workspace with its default experiment; returns its id."""
    workspace_store.insert_default(tx, DEFAULT_WORKSPACE, now)
    values = {"name": name, "description": "", "state": 0, "creation_time": now, "last_update_time": now}
    rows = tx.returning(
        Query(insert(workspace).values(**values, default_experiment_id=0).returning(workspace.c.id))
    )
    ref = WorkspaceRef(rows[0][0], name, 0)
    # The ids of experiments begin with 0, which belongs to the first workspace.
    contents = WorkspaceContents()
    contents.make_default(tx, DEFAULT_WORKSPACE, now)
    experiment = contents.make_default(tx, ref, now)
    tx.execute(
        Query(update(workspace).where(workspace.c.id == ref.id).values(default_experiment_id=experiment))
    )
    return ref.id


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """The database of a server, to write into it or look."""
    database = Database(open_dialect(url))
    database.start()
    try:
        yield database
    finally:
        database.close()


@contextmanager
def serve_team(url: str, data: str) -> Iterator[Team]:
    """A started server with a team, on a fresh database with the migrated schema."""
    with opened(url) as database:
        secrets = populate(database)
    with serve(data=data, database=url) as api:
        yield Team(api, secrets, url)
