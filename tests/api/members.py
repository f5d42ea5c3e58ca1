"""Users with tokens, put into the database as it is: for tests of who may do what.

    with team(database_url, tmp_path, {"ada": {"alpha": "Owner"}, "root": None}) as (api, as_):
        assert api.request("GET", "/api/runyard/1/whoami", headers=as_("ada")).status == 200

None stands for an administrator; else a person has a role in each of these workspaces, which exist then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runyard.server.auth.types import TokenKind
from runyard.server.db.database import open_dialect
from tests.api.conftest import Api, serve

FAR = 2**53
Headers = dict[str, str]


@contextmanager
def team(
    database_url: str, folder: Path, people: Mapping[str, Mapping[str, str] | None]
) -> Iterator[tuple[Api, Callable[[str], Headers]]]:
    """A started server with these people, and the headers by which each is known."""
    workspaces = {name for roles in people.values() for name in roles or ()} - {"default"}
    with serve(data=str(folder), database=database_url) as api:
        ids = {"default": "1"}
        for name in sorted(workspaces):
            ids[name] = api.post("/api/runyard/1/workspaces", {"name": name}).ok()["id"]
    database = Database(database_url)
    for i, (name, roles) in enumerate(people.items(), 1):
        database.insert(
            "principal",
            id=i,
            kind=1,
            name=name,
            display_name=name,
            email="",
            is_admin=int(roles is None),
            is_disabled=0,
            creation_time=1,
        )
        for workspace, role in (roles or {}).items():
            database.insert("role_assignment", workspace_id=int(ids[workspace]), principal_id=i, role=role)
        database.token(i, f"ryp_{name}")
    with serve(data=str(folder), database=database_url) as api:
        yield api, lambda name: {"Authorization": f"Bearer ryp_{name}"}


class Database:
    """Writes rows beside the server."""

    def __init__(self, url: str) -> None:
        self._dialect = open_dialect(url)

    def run(self, statement: str, *values: Any) -> None:
        """Run a statement that writes."""
        connection = self._dialect.connect(readonly=False)
        try:
            connection.execute(statement, values)
        finally:
            connection.close()

    def insert(self, table: str, **values: Any) -> None:
        """A new row."""
        marks = ["?" if self._dialect.name == "sqlite" else "%s"] * len(values)
        self.run(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(marks)})", *values.values())

    def token(
        self, owner: int, secret: str, *, kind: TokenKind = TokenKind.PERSONAL, workspace: int | None = None
    ) -> None:
        """A token of a principal."""
        self.insert(
            "token",
            hash=hashlib.sha256(secret.encode()).digest(),
            kind=int(kind),
            principal_id=owner,
            name=secret,
            workspace_id=workspace,
            creation_time=1,
            expiry_time=FAR,
        )

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The answer to a query."""
        connection = self._dialect.connect(readonly=True)
        try:
            return [tuple(row) for row in connection.execute(query).fetchall()]
        finally:
            connection.close()
