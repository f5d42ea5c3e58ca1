"""Charts: many runs by many metrics, reduced on the server to the pixels that are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runyard.server.auth import Principal
from runyard.server.db import Connection, Database
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.metrics import engine
from runyard.server.metrics.types import Axis, SeriesChart, SeriesId, series_id
from runyard.server.tracking.service.runs import missing_run, readable
from runyard.server.tracking.store import summaries
from runyard.server.tracking.store.keys import Keys

MAX_RUNS = 1000
MAX_KEYS = 200
MAX_SERIES = 10_000
MAX_BUCKETS = 5000


@dataclass(frozen=True, slots=True)
class Line:
    """One metric of one run, as a chart shows it."""

    run: str
    key: str
    chart: SeriesChart


class Charts:
    """Reduces series to buckets.

    Args:
        database: where they live.
        keys: the interned names.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def lines(
        self,
        principal: Principal,
        run_ids: Sequence[str],
        metrics: Sequence[str],
        *,
        axis: Axis,
        buckets: int,
        x_min: int | None,
        x_max: int | None,
    ) -> list[Line]:
        """Every metric of every run that has it, run by run in the order asked for.

        Args:
            principal: who asks.
            run_ids: the runs, at most `MAX_RUNS`.
            metrics: the keys, at most `MAX_KEYS`.
            axis: "step"; "time", in milliseconds since the epoch; or "relative", in milliseconds since
                the run's first point among these metrics.
            buckets: the most points of a line: the pixels that are there.
            x_min: where the view starts; None for the line's start.
            x_max: where it ends, included; None for the line's end.

        Raises:
            NotFound: a run doesn't exist.
            InvalidArgument: too much is asked for at once.
        """
        _check(run_ids, metrics, buckets, x_min, x_max)

        def read(connection: Connection) -> list[Line]:
            found = readable(connection, self._keys, principal, run_ids)
            missing = next((run for run in run_ids if run not in found), None)
            if missing is not None:
                raise missing_run(missing)
            keys = self._keys.find(connection, metrics)
            names = {
                series_id(found[run].id, keys[key]): (run, key)
                for run in run_ids
                for key in metrics
                if key in keys
            }
            starts = summaries.first_times(connection, list(names))
            series = [one for one in names if one in starts]
            charts = engine.chart(
                connection,
                series,
                axis=axis,
                buckets=buckets,
                x_min=x_min,
                x_max=x_max,
                origins=_origins(names, starts) if axis == "relative" else None,
            )
            return [Line(*names[chart.series], chart) for chart in charts]

        return await self._database.read(read)


def _origins(names: dict[SeriesId, tuple[str, str]], starts: dict[SeriesId, int]) -> dict[SeriesId, int]:
    """Per series, when its run's first point among the series was."""
    of_run: dict[str, int] = {}
    for series, start in starts.items():
        run = names[series][0]
        of_run[run] = min(start, of_run.get(run, start))
    return {series: of_run[names[series][0]] for series in starts}


def _check(
    run_ids: Sequence[str], metrics: Sequence[str], buckets: int, x_min: int | None, x_max: int | None
) -> None:
    for name, count, limit in (("run_ids", len(run_ids), MAX_RUNS), ("keys", len(metrics), MAX_KEYS)):
        if not 1 <= count <= limit:
            raise InvalidArgument(f"'{name}' takes 1 to {limit:,} values; there are {count:,}.", field=name)
    if len(run_ids) * len(metrics) > MAX_SERIES:
        raise InvalidArgument(
            f"{len(run_ids):,} runs by {len(metrics):,} keys exceed {MAX_SERIES:,} lines; ask for less.",
            field="keys",
        )
    if not 1 <= buckets <= MAX_BUCKETS:
        raise InvalidArgument(f"'buckets' must be 1 to {MAX_BUCKETS:,}, not {buckets:,}.", field="buckets")
    if x_min is not None and x_max is not None and x_min > x_max:
        raise InvalidArgument(f"'x_min' ({x_min}) is greater than 'x_max' ({x_max}).", field="x_min")
