"""Principals, their roles and credentials, written into a database before a server starts on it."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from sqlalchemy import Table, insert

from runyard.server.auth import tables as t
from runyard.server.auth.service.passwords import hashed
from runyard.server.auth.types import PrincipalKind, TokenKind
from runyard.server.db.connection import Transaction
from runyard.server.db.database import open_dialect
from runyard.server.kernel import clock, ids
from runyard.server.workspaces.tables import workspace

Headers = dict[str, str]

_DAY_MS = 24 * 3_600_000


class People:
    """Writes principals and what belongs to them.

    Args:
        url: the database's address.
    """

    def __init__(self, url: str) -> None:
        self._dialect = open_dialect(url)
        self._next = 100

    def user(self, name: str, *, admin: bool = False, password: str | None = None) -> int:
        """A user; returns its id."""
        return self._add(
            t.principal,
            kind=int(PrincipalKind.USER),
            name=name,
            display_name=name,
            email="",
            password_hash=None if password is None else hashed(password),
            is_admin=int(admin),
            is_disabled=0,
            creation_time=1,
        )

    def role(self, principal: int, role: str, workspace_id: int = 1) -> None:
        """Give a principal a role; the workspace 1 is `default`."""
        self._add(t.role_assignment, workspace_id=workspace_id, principal_id=principal, role=role)

    def token(self, principal: int, kind: TokenKind = TokenKind.PERSONAL, **fields: Any) -> Headers:
        """The headers of a request with a new token of a principal."""
        secret = f"{kind.prefix}{ids.new_secret_key().hex()}"
        self._add(
            t.token,
            hash=hashlib.sha256(secret.encode()).digest(),
            kind=int(kind),
            principal_id=principal,
            creation_time=1,
            expiry_time=clock.now_ms() + _DAY_MS,
            **{"name": "ci", **fields},
        )
        return {"Authorization": f"Bearer {secret}"}

    def workspace(self, name: str) -> int:
        """A workspace without experiments; returns its id."""
        return self._add(
            workspace,
            name=name,
            description="",
            state=0,
            creation_time=1,
            last_update_time=1,
            default_experiment_id=-1,
        )

    def _add(self, table: Table, **values: Any) -> int:
        if "id" in table.c:
            self._next += 1
            values["id"] = self._next
        connection = self._dialect.connect(readonly=False)
        try:
            given = {name: value for name, value in values.items() if value is not None}
            Transaction(self._dialect, connection).execute(insert(table).values(given))
        finally:
            connection.close()
        return self._next


def basic(name: str, password: str) -> Headers:
    """The headers of a request with a name and a password."""
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}
