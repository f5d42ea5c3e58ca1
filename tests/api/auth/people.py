"""Users as they stand in the database before a server starts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from sqlalchemy import bindparam, update

from runyard.server.auth import PrincipalKind
from runyard.server.auth.service.passwords import hashed
from runyard.server.auth.tables import principal, role_assignment
from runyard.server.db import Query, Transaction
from runyard.server.db.database import open_dialect
from runyard.server.kernel import clock, ids

SERVICE = PrincipalKind.SERVICE
PASSWORD = "correct horse battery"

_hash = cache(hashed)
_insert = Query(lambda d: d.insert(principal).values({c.name: bindparam(c.name) for c in principal.c}))
_assign = Query(
    lambda d: d.insert(role_assignment).values({c.name: bindparam(c.name) for c in role_assignment.c})
)
_disable = Query(update(principal).where(principal.c.name == bindparam("who")).values(is_disabled=1))


def add(
    database_url: str,
    name: str,
    password: str | None = PASSWORD,
    *,
    kind: PrincipalKind = PrincipalKind.USER,
    admin: bool = False,
    external_id: str | None = None,
) -> None:
    """A principal; without a password it signs in otherwise."""
    with changing(database_url) as tx:
        tx.execute(
            _insert,
            id=ids.new_key(),
            kind=int(kind),
            external_id=external_id,
            name=name,
            display_name="",
            email="",
            password_hash=_hash(password) if password else None,
            is_admin=int(admin),
            is_disabled=0,
            creation_time=clock.now_ms(),
        )


def disable(database_url: str, name: str) -> None:
    """Refuse a user's credentials from now on."""
    with changing(database_url) as tx:
        tx.execute(_disable, who=name)


def assign(database_url: str, workspace_id: int, principal_id: int, role: str) -> None:
    """Give a principal a role."""
    with changing(database_url) as tx:
        tx.execute(_assign, workspace_id=workspace_id, principal_id=principal_id, role=role)


@contextmanager
def changing(database_url: str) -> Iterator[Transaction]:
    """A transaction beside a server's own."""
    dialect = open_dialect(database_url)
    driver = dialect.connect(readonly=False)
    try:
        dialect.begin(driver, readonly=False)
        yield Transaction(dialect, driver)
        driver.execute("COMMIT")
    finally:
        driver.close()
