"""SQL of users, service principals and groups: the rows themselves, and their end."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, bindparam, or_, select, update

from runyard.server.auth import tables as t
from runyard.server.auth.records import Group, User
from runyard.server.auth.types import PrincipalKind
from runyard.server.db import Connection, Query, Row, Transaction

_p = t.principal.c
_columns = (
    _p.id,
    _p.kind,
    _p.name,
    _p.display_name,
    _p.email,
    _p.password_hash.is_not(None),
    _p.external_id.is_not(None),
    _p.is_admin,
    _p.is_disabled,
    _p.creation_time,
)
_of_name = select(*_columns).where(_p.name == bindparam("name"))
_by_name = Query(_of_name)
_by_name_locked = Query(_of_name.with_for_update())
_by_name_held = Query(_of_name.with_for_update(read=True, key_share=True))
_page = Query(
    select(*_columns)
    .where(_p.kind == bindparam("kind"), _p.name > bindparam("after"))
    .order_by(_p.name)
    .limit(bindparam("count"))
)
_is_administrator = and_(
    _p.kind == int(PrincipalKind.USER),
    _p.is_admin == 1,
    _p.is_disabled == 0,
    or_(_p.password_hash.is_not(None), _p.external_id.is_not(None)),
)
_administrators = Query(select(_p.id).where(_is_administrator).order_by(_p.id).with_for_update())
_names_of_administrators = Query(select(_p.name).where(_is_administrator).order_by(_p.name))
_insert = Query(
    lambda d: (
        d.insert(t.principal)
        .values({c.name: bindparam(c.name) for c in _p})
        .on_conflict_do_nothing()
        .returning(_p.id)
    )
)
_update = Query(
    update(t.principal)
    .where(_p.id == bindparam("pid"))
    .values(
        display_name=bindparam("display_name_"),
        email=bindparam("email_"),
        is_admin=bindparam("is_admin_"),
        is_disabled=bindparam("is_disabled_"),
    )
)
_set_password = Query(
    update(t.principal).where(_p.id == bindparam("pid")).values(password_hash=bindparam("hash"))
)


def find(connection: Connection, name: str) -> User | None:
    """A principal of any kind by its name in lower case."""
    row = connection.row(_by_name, name=name)
    return None if row is None else _user(row)


def lock(tx: Transaction, name: str) -> User | None:
    """Like `find`; until the transaction ends, nobody else changes it or gives it anything."""
    row = tx.row(_by_name_locked, name=name)
    return None if row is None else _user(row)


def hold(tx: Transaction, name: str) -> User | None:
    """Like `find`; until the transaction ends, nobody deletes it."""
    row = tx.row(_by_name_held, name=name)
    return None if row is None else _user(row)


def page(connection: Connection, kind: PrincipalKind, after: str, count: int) -> list[User]:
    """The next principals of a kind, by name."""
    return [_user(row) for row in connection.rows(_page, kind=int(kind), after=after, count=count)]


def lock_administrators(tx: Transaction) -> Sequence[int]:
    """The users who can sign in and administer the server; nobody else changes them until the end."""
    return [row[0] for row in tx.rows(_administrators)]


def administrators(connection: Connection) -> list[str]:
    """The names of the users who can sign in and administer the server."""
    return [row[0] for row in connection.rows(_names_of_administrators)]


def insert(tx: Transaction, user: User, password_hash: str | None, external_id: str | None = None) -> bool:
    """A new principal; False when the name is taken."""
    return bool(
        tx.returning(
            _insert,
            id=user.id,
            kind=int(user.kind),
            external_id=external_id,
            name=user.name,
            display_name=user.display_name,
            email=user.email,
            password_hash=password_hash,
            is_admin=int(user.is_admin),
            is_disabled=int(user.is_disabled),
            creation_time=user.creation_time,
        )
    )


def save(tx: Transaction, user: User) -> None:
    """Change what may change of a principal but its password."""
    tx.execute(
        _update,
        pid=user.id,
        display_name_=user.display_name,
        email_=user.email,
        is_admin_=int(user.is_admin),
        is_disabled_=int(user.is_disabled),
    )


def set_password(tx: Transaction, principal_id: int, password_hash: str) -> None:
    """Change a user's password."""
    tx.execute(_set_password, pid=principal_id, hash=password_hash)


def as_group(user: User) -> Group:
    """The same row as a group."""
    return Group(user.id, user.name, user.display_name, user.creation_time)


def _user(row: Row) -> User:
    return User(
        row[0],
        PrincipalKind(row[1]),
        row[2],
        row[3],
        row[4],
        bool(row[5]),
        bool(row[6]),
        bool(row[7]),
        bool(row[8]),
        row[9],
    )
