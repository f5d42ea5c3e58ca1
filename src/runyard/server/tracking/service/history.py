"""Reading the points of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runyard.server.auth import Principal
from runyard.server.db import Connection, Database
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.paging import decode_token, encode_token
from runyard.server.metrics import engine
from runyard.server.metrics.types import Points, Position, series_id
from runyard.server.tracking.service.runs import missing_run, readable
from runyard.server.tracking.store.keys import Keys

_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Points in the order (timestamp, step, value); None where there are none at all."""

    points: Points | None
    next_token: str | None


class MetricHistory:
    """Histories of metrics.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def page(
        self, principal: Principal, run: str, metric: str, *, limit: int, token: str | None
    ) -> HistoryPage:
        """A page of one metric of one run; empty when the run has no such metric."""
        position = None if token is None else _position(token)

        def read(connection: Connection) -> HistoryPage:
            found = readable(connection, self._keys, principal, [run]).get(run)
            if found is None:
                raise missing_run(run)
            key = self._keys.find(connection, [metric]).get(metric)
            if key is None:
                return HistoryPage(None, None)
            page = engine.history(connection, series_id(found.id, key), after=position, limit=limit)
            return HistoryPage(
                page.points, None if page.next is None else encode_token("history", list(page.next))
            )

        return await self._database.read(read)

    async def of_runs(
        self, principal: Principal, run_ids: Sequence[str], metric: str, *, limit: int
    ) -> list[tuple[str, Points]]:
        """One metric of several runs, in the order of their ids, until `limit` points are reached."""

        def read(connection: Connection) -> list[tuple[str, Points]]:
            found = readable(connection, self._keys, principal, run_ids)
            key = self._keys.find(connection, [metric]).get(metric)
            if key is None:
                return []
            names = {series_id(found[run].id, key): run for run in sorted(found)}
            return [
                (names[series], points)
                for series, points in engine.history_many(connection, list(names), limit=limit)
            ]

        return await self._database.read(read)

    async def sampled(
        self,
        principal: Principal,
        run_ids: Sequence[str],
        metric: str,
        *,
        limit: int,
        steps: tuple[int, int] | None,
    ) -> list[tuple[str, Points]]:
        """One metric of several runs, each reduced to at most `limit` points, evenly spaced.

        Args:
            principal: who asks.
            run_ids: the runs; all must exist.
            metric: the key.
            limit: the most points per run.
            steps: the first and the last step; None for all.
        """
        low, high = steps or (None, None)

        def read(connection: Connection) -> list[tuple[str, Points]]:
            found = readable(connection, self._keys, principal, run_ids)
            for run in run_ids:
                if run not in found:
                    raise missing_run(run)
            key = self._keys.find(connection, [metric]).get(metric)
            if key is None:
                return []
            return [
                (
                    run,
                    engine.sample(
                        connection, series_id(found[run].id, key), count=limit, min_step=low, max_step=high
                    ),
                )
                for run in run_ids
            ]

        return await self._database.read(read)


def _position(token: str) -> Position:
    values = decode_token("history", token)
    if len(values) != 3 or not all(type(v) is int and _LEAST <= v <= _MOST for v in values):
        raise InvalidArgument(
            "Invalid page_token: it isn't one that this server gave for a metric's history.",
            field="page_token",
        )
    return Position(*values)
