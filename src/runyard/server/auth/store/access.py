"""SQL of what a request needs to know of its caller: who it is and what it may do."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import bindparam, func, select, union_all

from runyard.server.auth import tables as t
from runyard.server.auth.permissions import Level
from runyard.server.auth.types import PrincipalKind
from runyard.server.db import Connection, Query, Row

_p, _g, _k = t.principal.c, t.group_member.c, t.token.c
_ra, _fr, _er = t.role_assignment.c, t.folder_rule.c, t.experiment_rule.c


class PrincipalRow(NamedTuple):
    """What signing in needs to know of a principal."""

    id: int
    name: str
    kind: int
    is_admin: int
    is_disabled: int
    password_hash: str | None


class TokenRow(NamedTuple):
    """What a request needs to know of its token."""

    id: int
    kind: int
    principal_id: int
    name: str
    workspace_id: int | None
    run_uuid: str | None
    experiment_id: int | None
    expiry_time: int
    last_used_time: int | None
    upload: str | None


_columns = (_p.id, _p.name, _p.kind, _p.is_admin, _p.is_disabled, _p.password_hash)
_by_name = Query(select(*_columns).where(_p.name == bindparam("name")))
_by_id = Query(select(*_columns).where(_p.id == bindparam("id")))
_by_hash = Query(
    select(
        _k.id,
        _k.kind,
        _k.principal_id,
        _k.name,
        _k.workspace_id,
        _k.run_uuid,
        _k.experiment_id,
        _k.expiry_time,
        _k.last_used_time,
        _k.upload,
    ).where(_k.hash == bindparam("hash"))
)
_any_user = Query(
    select(func.count()).select_from(
        select(_p.id).where(_p.kind == int(PrincipalKind.USER)).limit(1).subquery()
    )
)

# The principal itself and the groups that it is in.
_selves = union_all(
    select(_p.id.label("id")).where(_p.id == bindparam("id")),
    select(_g.group_id).where(_g.principal_id == bindparam("id")),
).subquery()
_roles = Query(
    select(_ra.role)
    .distinct()
    .where(_ra.workspace_id == bindparam("workspace"), _ra.principal_id.in_(select(_selves.c.id)))
)
# Not grouped by path: SQLite would go through the rules of the whole workspace, in their order.
_folders = Query(
    select(_fr.path, _fr.level).where(
        _fr.workspace_id == bindparam("workspace"), _fr.principal_id.in_(select(_selves.c.id))
    )
)
_experiments = Query(
    select(_er.experiment_id, _er.level).where(
        _er.workspace_id == bindparam("workspace"), _er.principal_id.in_(select(_selves.c.id))
    )
)
_LEVELS = tuple(sorted(Level))


def find_by_name(connection: Connection, name: str) -> PrincipalRow | None:
    """A principal by its name in lower case."""
    row = connection.row(_by_name, name=name)
    return None if row is None else PrincipalRow(*row)


def find(connection: Connection, principal_id: int) -> PrincipalRow | None:
    """A principal by its id."""
    row = connection.row(_by_id, id=principal_id)
    return None if row is None else PrincipalRow(*row)


def find_token(connection: Connection, digest: bytes) -> TokenRow | None:
    """A token by its hash."""
    row = connection.row(_by_hash, hash=digest)
    return None if row is None else TokenRow(*row)


def any_user(connection: Connection) -> bool:
    """Whether a user exists, so that everybody has to sign in."""
    return bool(connection.value(_any_user))


def roles_of(connection: Connection, principal_id: int, workspace_id: int) -> list[str]:
    """The names of the roles that a principal has in a workspace, by itself or through a group."""
    return [row[0] for row in connection.rows(_roles, id=principal_id, workspace=workspace_id)]


def folder_rules_of(connection: Connection, principal_id: int, workspace_id: int) -> dict[str, Level]:
    """Per folder the strongest rule of a principal and its groups."""
    return _strongest(connection.rows(_folders, id=principal_id, workspace=workspace_id))


def experiment_rules_of(connection: Connection, principal_id: int, workspace_id: int) -> dict[int, Level]:
    """Per experiment the strongest rule of a principal and its groups."""
    return _strongest(connection.rows(_experiments, id=principal_id, workspace=workspace_id))


def _strongest(rows: list[Row]) -> dict[Any, Level]:
    """Of each place the highest level; there may be thousands."""
    found: dict[Any, int] = dict(rows)
    if len(found) < len(rows):
        for place, level in rows:
            found[place] = max(found[place], level)
    return {place: _LEVELS[level] for place, level in found.items()}
