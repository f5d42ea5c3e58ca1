"""Users and roles that were deleted under an older schema come back under a newer one."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from runyard.server.auth import tables
from runyard.server.auth.store import deleted as store
from tests.api.auth.team import PASSWORD, Team
from tests.api.auth.test_deleted_identities import USERS, admin, delete, restore
from tests.api.conftest import Api
from tests.api.trash_data import counted, sql, trash

__all__ = ["admin"]


def _body(team: Team) -> dict[str, Any]:
    ((body,),) = sql(team.url, "SELECT body FROM deleted_identity")
    found: dict[str, Any] = msgspec.json.decode(body)
    return found


def test_who_was_deleted_before_a_column_came_comes_back_without_it(team: Team, admin: Api) -> None:
    gone, row = delete(admin, "user"), _body(team)
    older = {name: value for name, value in row.items() if name not in ("external_id", "password_hash")}
    sql(team.url, f"UPDATE deleted_identity SET body = '{msgspec.json.encode(older).decode()}'")
    # When somebody else has the name, then that is told
    made = {"name": "reader", "password": PASSWORD}
    admin.post(USERS, made).ok()
    assert "belongs to another user" in restore(admin, gone).message
    other = delete(admin, "user")
    # When nobody has
    assert restore(admin, gone).ok() == counted(users=1)
    # Then
    columns = ", ".join(row)
    found = sql(team.url, f"SELECT {columns} FROM principal WHERE name = 'reader'")
    assert [dict(zip(row, values, strict=True)) for values in found] == [row]
    assert [one["id"] for one in trash(admin)] == [other["id"]]


def test_a_column_that_came_since_has_its_default(
    team: Team, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a role that was deleted before roles got a column that isn't NULL
    gone = delete(admin, "role")
    sql(team.url, "ALTER TABLE role ADD COLUMN color INTEGER NOT NULL DEFAULT 7")
    columns = (Column(c.name, c.type) for c in tables.role.c)
    newer = Table("role", MetaData(), *columns, Column("color", Integer, nullable=False, default=8))
    monkeypatch.setattr(tables, "role", newer)
    monkeypatch.setitem(store._put_back, "role", store._insert_into(newer))
    # When, then
    assert restore(admin, gone).ok() == counted(roles=1)
    assert sql(team.url, "SELECT color FROM role WHERE name = 'Curator'") == [(8,)]
