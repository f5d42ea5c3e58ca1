"""SQL of the rules of folders and experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, delete, or_, select, update

from runyard.server.auth import tables as t
from runyard.server.auth.permissions import Level
from runyard.server.auth.records import Rule
from runyard.server.auth.types import PrincipalKind
from runyard.server.db import Connection, Dialect, Query, Transaction, in_list

_p, _f, _e = t.principal.c, t.folder_rule.c, t.experiment_rule.c


def _upsert_into(table: Table) -> Query:
    def build(d: Dialect) -> Any:
        insert = d.insert(table).values({c.name: bindparam(c.name) for c in table.c})
        return insert.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={"level": insert.excluded.level}
        )

    return Query(build)


def _at(table: Table, place: ColumnElement[Any]) -> ColumnElement[bool]:
    return and_(
        table.c.workspace_id == bindparam("workspace"),
        table.c.principal_id == bindparam("principal"),
        place == bindparam("place"),
    )


def _level_in(table: Table, place: ColumnElement[Any]) -> Query:
    return Query(select(table.c.level).where(_at(table, place)).with_for_update())


def _delete_from(table: Table, place: ColumnElement[Any]) -> Query:
    return Query(delete(table).where(_at(table, place)).returning(table.c.level))


def _of(table: Table, place: ColumnElement[Any]) -> Select[Any]:
    """A workspace's rules: principal, its kind, level, place, principal's id."""
    return (
        select(_p.name, _p.kind, table.c.level, place, table.c.principal_id)
        .select_from(table.join(t.principal, _p.id == table.c.principal_id))
        .where(table.c.workspace_id == bindparam("workspace"))
    )


def _page_of(table: Table, place: ColumnElement[Any]) -> Select[Any]:
    """Those after a position, in the order of place and principal."""
    after = or_(
        place > bindparam("place"),
        and_(place == bindparam("place"), table.c.principal_id > bindparam("after")),
    )
    return (
        _of(table, place)
        .where(place >= bindparam("place"), after)
        .order_by(place, table.c.principal_id)
        .limit(bindparam("count"))
    )


_set_folder, _set_experiment = _upsert_into(t.folder_rule), _upsert_into(t.experiment_rule)
_folder_level = _level_in(t.folder_rule, _f.path)
_experiment_level = _level_in(t.experiment_rule, _e.experiment_id)
_drop_folder = _delete_from(t.folder_rule, _f.path)
_drop_experiment = _delete_from(t.experiment_rule, _e.experiment_id)
_folders_at = Query(_of(t.folder_rule, _f.path).where(in_list(_f.path, "paths")))
_experiments_at = Query(
    _of(t.experiment_rule, _e.experiment_id).where(_e.experiment_id == bindparam("experiment"))
)
_folders_below = Query(
    _of(t.folder_rule, _f.path)
    .where(
        _f.path >= bindparam("path"),
        _f.path < bindparam("end"),
        # Not what only begins alike: between `/a` and `/a/` lies `/a-b`.
        or_(_f.path == bindparam("path"), _f.path >= bindparam("start")),
    )
    .order_by(_f.path, _f.principal_id)
    .limit(bindparam("count"))
    .with_for_update(of=t.folder_rule)
)
_move_folder = Query(
    update(t.folder_rule)
    .where(
        _f.workspace_id == bindparam("workspace"),
        _f.principal_id == bindparam("principal"),
        _f.path == bindparam("place"),
    )
    .values(path=bindparam("to"))
)
_folders_page = Query(_page_of(t.folder_rule, _f.path))
_experiments_page = Query(_page_of(t.experiment_rule, _e.experiment_id))
_folders_page_of = Query(_page_of(t.folder_rule, _f.path).where(_f.principal_id == bindparam("principal")))
_experiments_page_of = Query(
    _page_of(t.experiment_rule, _e.experiment_id).where(_e.principal_id == bindparam("principal"))
)


def set_folder_rule(tx: Transaction, workspace_id: int, principal_id: int, path: str, level: Level) -> None:
    """Set what a principal may do in one folder."""
    tx.execute(_set_folder, workspace_id=workspace_id, principal_id=principal_id, path=path, level=int(level))


def set_experiment_rule(
    tx: Transaction, workspace_id: int, principal_id: int, experiment_id: int, level: Level
) -> None:
    """Set what a principal may do in one experiment."""
    tx.execute(
        _set_experiment,
        workspace_id=workspace_id,
        principal_id=principal_id,
        experiment_id=experiment_id,
        level=int(level),
    )


def level_at(tx: Transaction, workspace_id: int, principal_id: int, place: str | int) -> Level | None:
    """What a principal's rule at a folder's path or an experiment's id says; None without one."""
    query = _folder_level if isinstance(place, str) else _experiment_level
    level = tx.value(query, workspace=workspace_id, principal=principal_id, place=place)
    return None if level is None else Level(level)


def drop_rule(tx: Transaction, workspace_id: int, principal_id: int, place: str | int) -> Level | None:
    """Delete a principal's rule at a folder's path or an experiment's id; returns what it said."""
    query = _drop_folder if isinstance(place, str) else _drop_experiment
    rows = tx.returning(query, workspace=workspace_id, principal=principal_id, place=place)
    return Level(rows[0][0]) if rows else None


def at_folders(connection: Connection, workspace_id: int, paths: Sequence[str]) -> list[Rule]:
    """All rules that stand at these folders."""
    rows = connection.rows(_folders_at, workspace=workspace_id, paths=list(paths))
    return [Rule(row[0], PrincipalKind(row[1]), Level(row[2]), row[3], None) for row in rows]


def at_experiment(connection: Connection, workspace_id: int, experiment_id: int, name: str) -> list[Rule]:
    """All rules that stand at an experiment."""
    rows = connection.rows(_experiments_at, workspace=workspace_id, experiment=experiment_id)
    return [Rule(row[0], PrincipalKind(row[1]), Level(row[2]), name, row[3]) for row in rows]


# A rule, and the principal's id to go on from.
Numbered = tuple[Rule, int]


def lock_folder_rules(tx: Transaction, workspace_id: int, path: str, count: int) -> list[Numbered]:
    """The rules that stand at a folder and below it; nobody else changes them in this transaction."""
    # `0` is the character behind the slash.
    within = {"path": path, "start": f"{path}/", "end": f"{path}0"}
    rows = tx.rows(_folders_below, workspace=workspace_id, count=count, **within)
    return [(Rule(row[0], PrincipalKind(row[1]), Level(row[2]), row[3], None), row[4]) for row in rows]


def move_folder_rules(tx: Transaction, workspace_id: int, moves: Sequence[tuple[int, str, str]]) -> None:
    """Let rules of principals stand at other folders than they do, in this order."""
    tx.execute_many(
        _move_folder,
        [
            {"workspace": workspace_id, "principal": principal_id, "place": place, "to": to}
            for principal_id, place, to in moves
        ],
    )


def folders_page(
    connection: Connection,
    workspace_id: int,
    principal_id: int | None,
    after: tuple[str, int],
    count: int,
) -> list[Numbered]:
    """The next folders' rules, by path; of one principal, or of all."""
    path, last = after
    query = _folders_page if principal_id is None else _folders_page_of
    only = {} if principal_id is None else {"principal": principal_id}
    rows = connection.rows(query, workspace=workspace_id, place=path, after=last, count=count, **only)
    return [(Rule(row[0], PrincipalKind(row[1]), Level(row[2]), row[3], None), row[4]) for row in rows]


def experiments_page(
    connection: Connection,
    workspace_id: int,
    principal_id: int | None,
    after: tuple[int, int],
    count: int,
) -> list[Numbered]:
    """The next experiments' rules, by experiment; of one principal, or of all. Their paths are empty."""
    experiment, last = after
    query = _experiments_page if principal_id is None else _experiments_page_of
    only = {} if principal_id is None else {"principal": principal_id}
    rows = connection.rows(query, workspace=workspace_id, place=experiment, after=last, count=count, **only)
    return [(Rule(row[0], PrincipalKind(row[1]), Level(row[2]), "", row[3]), row[4]) for row in rows]
