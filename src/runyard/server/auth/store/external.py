"""SQL of users who sign in through an OpenID Connect provider, and of what its groups give them."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, update

from runyard.server.auth import tables as t
from runyard.server.auth.store.access import PrincipalRow
from runyard.server.auth.types import PrincipalKind
from runyard.server.db import Connection, Query, Transaction
from runyard.server.kernel import ids

_p, _ra = t.principal.c, t.role_assignment.c
_found = select(
    _p.id, _p.name, _p.kind, _p.is_admin, _p.is_disabled, _p.password_hash, _p.display_name, _p.email
)
_by_external_id = Query(_found.where(_p.external_id == bindparam("external")).with_for_update())
_insert = Query(
    lambda d: (
        d.insert(t.principal)
        .values({c.name: bindparam(c.name) for c in _p if c is not _p.password_hash})
        .on_conflict_do_nothing()
        .returning(_p.id)
    )
)
_update = Query(
    update(t.principal)
    .where(_p.id == bindparam("pid"))
    .values(
        display_name=bindparam("display_name_"), email=bindparam("email_"), is_admin=bindparam("is_admin_")
    )
)
_link = Query(update(t.principal).where(_p.id == bindparam("pid")).values(external_id=bindparam("external")))
_assigned = Query(select(_ra.workspace_id, _ra.role).where(_ra.principal_id == bindparam("pid")))
_assign = Query(
    lambda d: (
        d.insert(t.role_assignment).values({c.name: bindparam(c.name) for c in _ra}).on_conflict_do_nothing()
    )
)
_take = Query(
    delete(t.role_assignment).where(
        _ra.workspace_id == bindparam("workspace"),
        _ra.principal_id == bindparam("pid"),
        _ra.role == bindparam("role_"),
    )
)


class External(NamedTuple):
    """A user, and what its provider has told of it."""

    row: PrincipalRow
    display_name: str
    email: str


def lock(tx: Transaction, external_id: str) -> External | None:
    """A user by what its provider calls it."""
    row = tx.row(_by_external_id, external=external_id)
    return None if row is None else External(PrincipalRow(*row[:6]), row[6], row[7])


def insert(
    tx: Transaction, external_id: str, name: str, display_name: str, email: str, now: int
) -> PrincipalRow | None:
    """A new user without a password; None when the name is taken."""
    key = ids.new_key()
    made = tx.returning(
        _insert,
        id=key,
        kind=int(PrincipalKind.USER),
        external_id=external_id,
        name=name,
        display_name=display_name,
        email=email,
        is_admin=0,
        is_disabled=0,
        creation_time=now,
    )
    return PrincipalRow(key, name, int(PrincipalKind.USER), 0, 0, None) if made else None


def save(tx: Transaction, principal_id: int, display_name: str, email: str, *, is_admin: bool) -> None:
    """Change what a provider tells of a user."""
    tx.execute(_update, pid=principal_id, display_name_=display_name, email_=email, is_admin_=int(is_admin))


def link(tx: Transaction, principal_id: int, external_id: str | None) -> None:
    """Let a user be who a provider calls so, or nobody there."""
    tx.execute(_link, pid=principal_id, external=external_id)


def roles_of(connection: Connection, principal_id: int) -> set[tuple[int, str]]:
    """The workspaces and roles that a principal has by itself."""
    return {(row[0], row[1]) for row in connection.rows(_assigned, pid=principal_id)}


def assign(tx: Transaction, workspace_id: int, principal_id: int, role: str) -> None:
    """Give a principal a role."""
    tx.execute(_assign, workspace_id=workspace_id, principal_id=principal_id, role=role)


def take(tx: Transaction, workspace_id: int, principal_id: int, role: str) -> None:
    """Take a role from a principal."""
    tx.execute(_take, workspace=workspace_id, pid=principal_id, role_=role)
