"""SQL of workspaces in the trash, and of destroying them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, null, select, update
from sqlalchemy.sql.functions import coalesce

from runyard.server.auth.types import WorkspaceState
from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.workspaces import tables as t

_w = t.workspace.c
_DELETED, _PURGED = int(WorkspaceState.DELETED), int(WorkspaceState.PURGED)

_deleted = (
    select(_w.id, _w.name, _w.deleted_time)
    .where(_w.state == _DELETED, _w.deleted_time.is_not(None))
    .order_by(_w.deleted_time.desc(), _w.id.desc())
)
_all_deleted = Query(_deleted)
_deleted_by_name = Query(_deleted.where(in_list(_w.name, "names")).with_for_update())
_restore = Query(
    update(t.workspace)
    .where(in_list(_w.id, "ids"), _w.state == _DELETED)
    .values(
        state=coalesce(_w.restored_state, int(WorkspaceState.ACTIVE)),
        restored_state=null(),
        deleted_time=null(),
        last_update_time=bindparam("now"),
    )
)
_mark = Query(
    update(t.workspace)
    .where(_w.id == bindparam("wid"), _w.state == _DELETED, _w.deleted_time <= bindparam("until"))
    .values(state=_PURGED, name=bindparam("name_"), deleted_time=bindparam("now"))
)
_marked = Query(select(_w.id).where(_w.state == _PURGED).order_by(_w.id))
_defaults = Query(select(_w.default_experiment_id).where(_w.state != _PURGED))


class DeletedWorkspace(NamedTuple):
    """A workspace in the trash."""

    id: int
    name: str
    deleted_time: int


def find_deleted(connection: Connection) -> list[DeletedWorkspace]:
    """All workspaces in the trash, those deleted last first."""
    return [DeletedWorkspace(*row) for row in connection.rows(_all_deleted)]


def lock_deleted(tx: Transaction, names: Sequence[str]) -> list[DeletedWorkspace]:
    """Those of the workspaces that lie in the trash; nobody else changes them in this transaction."""
    return [DeletedWorkspace(*row) for row in tx.rows(_deleted_by_name, names=list(names))]


def restore_deleted(tx: Transaction, ids: Sequence[int], now: int) -> None:
    """Bring workspaces back from the trash, in the state that they were in."""
    tx.execute(_restore, ids=list(ids), now=now)


def mark_purged(tx: Transaction, workspace: int, now: int, until: int) -> None:
    """Let a workspace that was deleted until a time be there for nobody.

    It gets a name that nobody can choose, longer than names may be.
    """
    tx.execute(_mark, wid=workspace, name_=f"{workspace:0>501}", now=now, until=until)


def find_purged(connection: Connection) -> list[int]:
    """The workspaces to destroy."""
    return [row[0] for row in connection.rows(_marked)]


def default_experiments(connection: Connection) -> set[int]:
    """The default experiments of all workspaces but those that are being destroyed."""
    return {row[0] for row in connection.rows(_defaults)}
