"""SQL of workspaces."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, select

from runyard.server.auth.types import WorkspaceRef, WorkspaceState
from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.workspaces import tables as t

_w = t.workspace.c
_ref = Query(select(_w.id, _w.name, _w.default_experiment_id, _w.state).where(_w.name == bindparam("name")))


def find_ref(connection: Connection, name: str) -> WorkspaceRef | None:
    """What a request needs to know of the workspace that it chose."""
    row = connection.row(_ref, name=name)
    return None if row is None else WorkspaceRef(row[0], row[1], row[2], WorkspaceState(row[3]))


_names = Query(select(_w.id, _w.name).where(in_list(_w.id, "ids")))


def find_names(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The names of those workspaces that exist."""
    return dict(connection.rows(_names, ids=list(ids)))


_all_names = Query(select(_w.id, _w.name))


def all_names(connection: Connection) -> dict[int, str]:
    """The name of every workspace, in whatever state, by its id."""
    return {key: name for key, name in connection.rows(_all_names)}  # noqa: C416 - rows are no pairs for mypy


_insert_default = Query(
    lambda d: (
        d.insert(t.workspace)
        .values({c.name: bindparam(c.name) for c in _w if c is not _w.deleted_time})
        .on_conflict_do_nothing()
    )
)


def insert_default(tx: Transaction, ref: WorkspaceRef, now: int) -> None:
    """The workspace that always exists; one that does stays as it is."""
    tx.execute(
        _insert_default,
        id=ref.id,
        name=ref.name,
        description="",
        state=int(ref.state),
        creation_time=now,
        last_update_time=now,
        default_experiment_id=ref.default_experiment,
    )
