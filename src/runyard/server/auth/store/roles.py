"""SQL of custom roles."""

from __future__ import annotations

import msgspec
from sqlalchemy import select

from runyard.server.auth import tables as t
from runyard.server.auth.types import RoleDefinition
from runyard.server.db import Connection, Query

_c = t.role.c
_all = Query(select(_c.name, _c.description, _c.actions, _c.not_actions).order_by(_c.name))
_decode = msgspec.json.Decoder(list[str]).decode


def custom(connection: Connection) -> list[RoleDefinition]:
    """All custom roles, by name."""
    return [
        RoleDefinition(name, description, _decode(actions), _decode(not_actions))
        for name, description, actions, not_actions in connection.rows(_all)
    ]
