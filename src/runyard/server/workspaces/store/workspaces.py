"""SQL of workspaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam, delete, select, update

from runyard.server.auth.types import WorkspaceRef, WorkspaceState
from runyard.server.db import Connection, Dialect, Query, Row, Transaction, in_list
from runyard.server.workspaces import tables as t
from runyard.server.workspaces.types import Quotas, Workspace

_w, _t = t.workspace.c, t.workspace_tag.c
_COLUMNS = (
    _w.id,
    _w.name,
    _w.description,
    _w.state,
    _w.creation_time,
    _w.last_update_time,
    _w.deleted_time,
    _w.default_experiment_id,
)
# What a new one has none of.
_UNSET = (_w.deleted_time, _w.quotas, _w.restored_state)
# Whether anybody sees it.
_IS_THERE = _w.state < int(WorkspaceState.PURGED)

_ref = Query(
    select(_w.id, _w.name, _w.default_experiment_id, _w.state, _w.quotas).where(
        _w.name == bindparam("name"), _IS_THERE
    )
)
_of_id = select(*_COLUMNS).where(_w.id == bindparam("id"), _IS_THERE)
_by_id = Query(_of_id)
_by_id_locked = Query(_of_id.with_for_update(key_share=True))
_by_name = Query(select(*_COLUMNS).where(_w.name == bindparam("name")))
_quotas = Query(select(_w.quotas).where(_w.id == bindparam("id")))
_listed = select(*_COLUMNS).where(in_list(_w.state, "states"), _w.name > bindparam("after"))
_page, _page_within = (
    Query(statement.order_by(_w.name).limit(bindparam("limit")))
    for statement in (_listed, _listed.where(in_list(_w.id, "ids")))
)
_names = Query(select(_w.id, _w.name).where(in_list(_w.id, "ids"), _IS_THERE))
_all_names = Query(select(_w.id, _w.name).where(_IS_THERE))
_every_ref = Query(
    select(_w.id, _w.name, _w.default_experiment_id, _w.state).where(_IS_THERE).order_by(_w.id)
)
_tags_of = Query(
    select(_t.workspace_id, _t.key, _t.value)
    .where(in_list(_t.workspace_id, "ids"))
    .order_by(_t.workspace_id, _t.key)
)
_insert_default = Query(
    lambda d: (
        d.insert(t.workspace)
        .values({c.name: bindparam(c.name) for c in _w if c not in _UNSET})
        .on_conflict_do_nothing()
    )
)
_insert = Query(
    lambda d: (
        d.insert(t.workspace)
        .values({c.name: bindparam(c.name) for c in _w if c not in (_w.id, *_UNSET)})
        .on_conflict_do_nothing()
        .returning(_w.id)
    )
)
_set_default_experiment = Query(
    update(t.workspace).where(_w.id == bindparam("wid")).values(default_experiment_id=bindparam("experiment"))
)
_save = Query(
    update(t.workspace)
    .where(_w.id == bindparam("wid"))
    .values(
        description=bindparam("description_"),
        state=bindparam("state_"),
        restored_state=bindparam("restored_state_"),
        deleted_time=bindparam("deleted_time_"),
        last_update_time=bindparam("last_update_time_"),
    )
)
_set_quotas = Query(update(t.workspace).where(_w.id == bindparam("wid")).values(quotas=bindparam("quotas_")))
_delete_tags = Query(delete(t.workspace_tag).where(_t.workspace_id == bindparam("wid")))
_delete_tag = Query(
    delete(t.workspace_tag).where(_t.workspace_id == bindparam("wid"), _t.key == bindparam("key_"))
)
_delete = Query(delete(t.workspace).where(_w.id == bindparam("wid")))


def _upsert_tag(d: Dialect) -> Any:
    insert = d.insert(t.workspace_tag).values({c.name: bindparam(c.name) for c in _t})
    return insert.on_conflict_do_update(
        index_elements=[_t.workspace_id, _t.key], set_={"value": insert.excluded.value}
    )


_set_tag = Query(_upsert_tag)

_decode_quotas = msgspec.json.Decoder(Quotas).decode
_decode_set = msgspec.json.Decoder(dict[str, int | None]).decode
_DEFAULTS = Quotas()


def find_ref(connection: Connection, name: str) -> tuple[WorkspaceRef, Quotas] | None:
    """What a request needs to know of the workspace that it chose."""
    row = connection.row(_ref, name=name)
    if row is None:
        return None
    quotas = _DEFAULTS if row[4] is None else _decode_quotas(row[4])
    return WorkspaceRef(row[0], row[1], row[2], WorkspaceState(row[3])), quotas


def every_ref(connection: Connection) -> list[WorkspaceRef]:
    """All workspaces but those that are being destroyed."""
    return [
        WorkspaceRef(row[0], row[1], row[2], WorkspaceState(row[3])) for row in connection.rows(_every_ref)
    ]


def find_names(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """The names of those workspaces that exist."""
    return dict(connection.rows(_names, ids=list(ids)))


def all_names(connection: Connection) -> dict[int, str]:
    """The name of every workspace, in whatever state, by its id."""
    return {key: name for key, name in connection.rows(_all_names)}  # noqa: C416 - rows are no pairs for mypy


def find(connection: Connection, workspace_id: int) -> Workspace | None:
    """One workspace with its tags, in any state."""
    row = connection.row(_by_id, id=workspace_id)
    return None if row is None else _load(connection, [row])[0]


def lock(tx: Transaction, workspace_id: int) -> Workspace | None:
    """Like `find`; until the transaction ends, nobody else changes the row."""
    row = tx.row(_by_id_locked, id=workspace_id)
    return None if row is None else _load(tx, [row])[0]


def find_by_name(connection: Connection, name: str) -> Workspace | None:
    """One workspace with its tags, in any state."""
    row = connection.row(_by_name, name=name)
    return None if row is None else _load(connection, [row])[0]


def search(
    connection: Connection,
    states: Sequence[WorkspaceState],
    *,
    within: Iterable[int] | None,
    after: str | None,
    limit: int,
) -> list[Workspace]:
    """The next workspaces in the order of their names.

    Args:
        connection: a snapshot.
        states: those that count.
        within: their ids; None for all.
        after: the name before the first one; None for the beginning.
        limit: how many.
    """
    wanted = {"states": [int(state) for state in states], "after": after or "", "limit": limit}
    if within is None:
        rows = connection.rows(_page, **wanted)
    else:
        rows = connection.rows(_page_within, ids=sorted(within), **wanted)
    return _load(connection, rows)


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


def insert(tx: Transaction, name: str, description: str, now: int) -> int | None:
    """A new active workspace, still without an experiment; returns its id, or None when the name is taken."""
    rows = tx.returning(
        _insert,
        name=name,
        description=description,
        state=int(WorkspaceState.ACTIVE),
        creation_time=now,
        last_update_time=now,
        default_experiment_id=0,
    )
    return rows[0][0] if rows else None


def set_default_experiment(tx: Transaction, workspace_id: int, experiment: int) -> None:
    """Set which experiment clients mean by the id 0."""
    tx.execute(_set_default_experiment, wid=workspace_id, experiment=experiment)


def save(tx: Transaction, changed: Workspace, *, comes_back: WorkspaceState | None = None) -> None:
    """Change a workspace's description, state and times.

    Args:
        tx: the transaction.
        changed: what it is now.
        comes_back: of one that goes to the trash, the state that it comes back to.
    """
    tx.execute(
        _save,
        wid=changed.id,
        description_=changed.description,
        state_=int(changed.state),
        restored_state_=None if comes_back is None else int(comes_back),
        deleted_time_=changed.deleted_time,
        last_update_time_=changed.last_update_time,
    )


def change_tags(tx: Transaction, workspace_id: int, tags: dict[str, str | None]) -> None:
    """Set tags; delete those without a value."""
    for key, value in sorted(tags.items()):
        if value is None:
            tx.execute(_delete_tag, wid=workspace_id, key_=key)
        else:
            tx.execute(_set_tag, workspace_id=workspace_id, key=key, value=value)


def quotas_set(connection: Connection, workspace_id: int) -> dict[str, int | None]:
    """Of the quotas those that somebody set."""
    found = connection.value(_quotas, id=workspace_id)
    return {} if found is None else _decode_set(found)


def set_quotas(tx: Transaction, workspace_id: int, quotas: dict[str, int | None]) -> None:
    """Keep the quotas that are set; all others have their defaults."""
    text = msgspec.json.encode(quotas, order="sorted").decode() if quotas else None
    tx.execute(_set_quotas, wid=workspace_id, quotas_=text)


def remove(tx: Transaction, workspace_id: int) -> None:
    """Delete a workspace and its tags for good."""
    tx.execute(_delete_tags, wid=workspace_id)
    tx.execute(_delete, wid=workspace_id)


def _load(connection: Connection, rows: Sequence[Row]) -> list[Workspace]:
    """Rows of `_COLUMNS` with their tags."""
    tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
    if rows:
        for workspace_id, key, value in connection.rows(_tags_of, ids=list(tags)):
            tags[workspace_id][key] = value
    return [
        Workspace(
            row[0], row[1], row[2], WorkspaceState(row[3]), row[4], row[5], row[6], row[7], tags[row[0]]
        )
        for row in rows
    ]
