"""SQL of folders: the experiments whose names begin with a folder's path, along the indexes of names.

A folder is nothing by itself: it is there while an experiment's name says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, bindparam, case, func, or_, select, update

from runyard.server.auth import Place
from runyard.server.db import Connection, Query, Transaction
from runyard.server.tracking.store.experiments import COLUMNS, IS_ACTIVE, IS_DELETED, load
from runyard.server.tracking.tables import experiment as e
from runyard.server.tracking.types import Experiment, Lifecycle

# Names that are read at a time.
_CHUNK = 5_000
# Behind all names, which are shorter: they are ordered by their code points.
_END = "\U0010ffff" * 501


def _bound(name: str) -> ColumnElement[Any]:
    return bindparam(name, type_=e.c.name.type)


# Whether a name goes on, behind the beginning, into another folder.
_goes_on = func.ltrim(func.substr(e.c.name, bindparam("at")), "/").like("%/%")


def _from(*columns: Any) -> Select[Any]:
    """Active experiments from a name on, up to where a folder ends."""
    return select(*columns).where(
        e.c.workspace_id == bindparam("workspace"),
        IS_ACTIVE,
        e.c.name >= _bound("start"),
        e.c.name < _bound("end"),
    )


_next = Query(_from(e.c.name).where(_goes_on).order_by(e.c.name).limit(1))
_count = Query(_from(func.count(), func.coalesce(func.sum(case((_goes_on, 0), else_=1)), 0)))
_names = Query(_from(e.c.id, e.c.name).order_by(e.c.name).limit(_CHUNK))
_page = Query(_from(*COLUMNS).where(~_goes_on).order_by(e.c.name).limit(bindparam("limit")))


def _next_to(name: str) -> str:
    """The first text that a name behind this one can be: names hold no NUL."""
    return f"{name}\x01"


def _locked(state: Any) -> Query:
    found = select(e.c.id, e.c.name, e.c.lifecycle).where(
        e.c.workspace_id == bindparam("workspace"),
        state,
        e.c.name >= _bound("path"),
        e.c.name < _bound("end"),
        # Not what only begins alike: between `/a` and `/a/` lies `/a-b`.
        or_(e.c.name == _bound("path"), e.c.name >= _bound("start")),
    )
    return Query(found.order_by(e.c.id).limit(bindparam("limit")).with_for_update(key_share=True))


_below = (_locked(IS_ACTIVE), _locked(IS_DELETED))
# In the trash the last change is the deletion, by which it is purged.
_rename = Query(
    update(e)
    .where(e.c.id == bindparam("eid"))
    .values(
        name=bindparam("name_"),
        last_update_time=case((IS_ACTIVE, bindparam("now")), else_=e.c.last_update_time),
    )
)


class Range(NamedTuple):
    """The names in a folder and below it: from `start` on, which they begin with, up to `end`."""

    start: str
    end: str

    @classmethod
    def of(cls, start: str) -> Range:
        """Those that begin so: with a folder's path and a slash, or, for all, with nothing."""
        return cls(start, behind(start[:-1]) if start else _END)


class Found(NamedTuple):
    """An experiment that a folder's move is about."""

    id: int
    name: str
    lifecycle: Lifecycle

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.id, self.name)


def behind(path: str) -> str:
    """The first of all texts behind those that begin with a folder's path and a slash."""
    return path + chr(ord("/") + 1)


def next_name(connection: Connection, workspace: int, within: Range, start: str) -> str | None:
    """The first name from one on that lies in a folder below the range's."""
    rest = within._replace(start=max(start, within.start))
    name: str | None = connection.value(
        _next, workspace=workspace, at=len(within.start) + 1, **rest._asdict()
    )
    return name


def count(connection: Connection, workspace: int, within: Range) -> tuple[int, int]:
    """How many active experiments lie right in a folder, and how many there and below it."""
    row = connection.row(_count, workspace=workspace, **within._asdict(), at=len(within.start) + 1)
    assert row is not None  # noqa: S101 - an aggregate has a row
    return int(row[1]), int(row[0])


def names(connection: Connection, workspace: int, within: Range) -> Iterator[Place]:
    """All active experiments in a folder and below it, by name."""
    while True:
        rows = connection.rows(_names, workspace=workspace, **within._asdict())
        yield from (Place(*row) for row in rows)
        if len(rows) < _CHUNK:
            return
        within = within._replace(start=_next_to(rows[-1][1]))


def page(connection: Connection, workspace: int, within: Range, after: str, limit: int) -> list[Experiment]:
    """The next active experiments right in a folder, by name."""
    rest = within._replace(start=max(_next_to(after), within.start)) if after else within
    rows = connection.rows(
        _page, workspace=workspace, limit=limit, at=len(within.start) + 1, **rest._asdict()
    )
    return load(connection, rows)


def lock(tx: Transaction, workspace: int, path: str, limit: int) -> list[Found]:
    """The experiments at a path and below it, active and deleted, at most `limit` of each.

    Nobody else changes them until the transaction ends.
    """
    within = Range.of(f"{path}/")
    rows = [
        row
        for query in _below
        for row in tx.rows(query, workspace=workspace, path=path, limit=limit, **within._asdict())
    ]
    return [Found(row[0], row[1], Lifecycle(row[2])) for row in rows]


def rename(tx: Transaction, names: Sequence[tuple[int, str]], now: int) -> None:
    """Give experiments new names, in this order."""
    tx.execute_many(_rename, [{"eid": key, "name_": name, "now": now} for key, name in names])
