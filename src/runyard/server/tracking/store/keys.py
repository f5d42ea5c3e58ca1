"""Interned names of params, tags and metrics.

A name's id never changes and is never given away again, so the cache holds no truth that could be stale.
What a transaction learned enters the cache only after its commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import bindparam, select

from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.tracking.tables import key as k

MAX_CACHED = 100_000

_by_names = Query(select(k.c.name, k.c.id).where(in_list(k.c.name, "names")))
_by_ids = Query(select(k.c.id, k.c.name).where(in_list(k.c.id, "ids")))
_insert = Query(lambda d: d.insert(k).values(name=bindparam("name")).on_conflict_do_nothing())


class Keys:
    """The process's cache of interned names, and the SQL behind it."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}

    def intern(self, tx: Transaction, names: Collection[str]) -> dict[str, int]:
        """The ids of `names`, made where they are new."""
        known = self._ids
        try:
            return {name: known[name] for name in names}
        except KeyError:
            return self._intern_missing(tx, names)

    def find(self, connection: Connection, names: Collection[str]) -> dict[str, int]:
        """The ids of those `names` that exist."""
        known = {name: self._ids[name] for name in names if name in self._ids}
        missing = [name for name in names if name not in known]
        if missing:
            found: dict[str, int] = dict(connection.rows(_by_names, names=missing))
            self._learn(connection, found)
            known.update(found)
        return known

    def names(self, connection: Connection, ids: Iterable[int]) -> dict[int, str]:
        """The names of `ids`: a mapping that holds at least these."""
        wanted, known = set(ids), self._names
        missing = [i for i in wanted if i not in known]
        if not missing:
            return known
        found: dict[int, str] = dict(connection.rows(_by_ids, ids=missing))
        self._learn(connection, {name: i for i, name in found.items()})
        # Only what is asked for: the cache may hold very many.
        return found | {i: known[i] for i in wanted if i in known}

    def _intern_missing(self, tx: Transaction, names: Collection[str]) -> dict[str, int]:
        known = {name: self._ids[name] for name in names if name in self._ids}
        missing = sorted(set(names) - known.keys())
        found: dict[str, int] = dict(tx.rows(_by_names, names=missing))
        new = [name for name in missing if name not in found]
        if new:
            tx.execute_many(_insert, [{"name": name} for name in new])
            found.update(tx.rows(_by_names, names=new))
        self._learn(tx, found)
        return known | found

    def _learn(self, connection: Connection, found: dict[str, int]) -> None:
        """Publish what was read; what a transaction reads may be its group's own and be rolled back."""
        if isinstance(connection, Transaction):
            connection.after_commit(lambda: self._publish(found))
        else:
            self._publish(found)

    def _publish(self, found: dict[str, int]) -> None:
        if len(self._ids) + len(found) > MAX_CACHED:
            self._ids, self._names = {}, {}
        self._ids.update(found)
        self._names.update({i: name for name, i in found.items()})
