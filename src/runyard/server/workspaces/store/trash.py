"""SQL of workspaces in the trash, and of those that are being destroyed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, null, select, update

from runyard.server.auth.types import WorkspaceState
from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.workspaces import tables as t

_w = t.workspace.c
_deleted = (
    select(_w.id, _w.name, _w.deleted_time)
    .where(_w.state == int(WorkspaceState.DELETED), _w.deleted_time.is_not(None))
    .order_by(_w.deleted_time.desc(), _w.id.desc())
)
_all_deleted = Query(_deleted)
_deleted_by_name = Query(_deleted.where(in_list(_w.name, "names")).with_for_update())
_restore = Query(
    update(t.workspace)
    .where(in_list(_w.id, "ids"), _w.state == int(WorkspaceState.DELETED))
    .values(state=int(WorkspaceState.ACTIVE), deleted_time=null(), last_update_time=bindparam("now"))
)
# A name that nobody can choose is the id of a workspace that is being destroyed.
_mark = Query(
    update(t.workspace)
    .where(
        _w.id == bindparam("wid"),
        _w.state == int(WorkspaceState.DELETED),
        _w.deleted_time <= bindparam("until"),
    )
    .values(state=int(WorkspaceState.PURGED), name=bindparam("name_"), deleted_time=bindparam("now"))
)
_marked = Query(select(_w.id, _w.deleted_time).where(_w.state == int(WorkspaceState.PURGED)).order_by(_w.id))
_defaults = Query(select(_w.default_experiment_id).where(_w.state != int(WorkspaceState.PURGED)))
_delete_tags = Query(delete(t.workspace_tag).where(t.workspace_tag.c.workspace_id == bindparam("wid")))


_delete_row = Query(
    delete(t.workspace).where(_w.id == bindparam("wid"), _w.state == int(WorkspaceState.PURGED))
)


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
    """Bring workspaces back from the trash."""
    tx.execute(_restore, ids=list(ids), now=now)


def mark_purged(tx: Transaction, workspace: int, now: int, until: int) -> None:
    """Let a workspace that was deleted until a time be there for nobody; its name is free."""
    tx.execute(_mark, wid=workspace, name_=f"{workspace:0>501}", now=now, until=until)


def find_purged(connection: Connection) -> list[tuple[int, int]]:
    """The workspaces to destroy, each with the time when it was marked."""
    return [(row[0], row[1]) for row in connection.rows(_marked)]


def default_experiments(connection: Connection) -> set[int]:
    """The default experiments of all workspaces but those that are being destroyed."""
    return {row[0] for row in connection.rows(_defaults)}


def delete_tags(tx: Transaction, workspace: int) -> None:
    """Delete a workspace's tags."""
    tx.execute(_delete_tags, wid=workspace)


def delete_purged(tx: Transaction, workspace: int) -> None:
    """Delete the row of a workspace that is to be destroyed."""
    tx.execute(_delete_row, wid=workspace)
