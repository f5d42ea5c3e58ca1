"""The merge of summaries in SQL, held against `metrics.summary.merge` on both databases."""

from __future__ import annotations

from itertools import count
from math import inf, nan

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from runyard.server.db import Connection, Row
from runyard.server.db.database import Database
from runyard.server.metrics.summary import merge, summarize
from runyard.server.metrics.types import PointBatch, Summary, series_id
from runyard.server.tracking.store import summaries
from runyard.server.tracking.tables import run_metric as m

KEY = 7
_runs = count(1)
_numbers = st.sampled_from(
    [nan, inf, -inf, 0.0, 1.0, -1.0, 2.5, 1e308, -1e308, 1.7976931348623157e308, 5e-324]
)
_points = st.tuples(st.sampled_from([-(2**63), -1, 0, 1, 2, 3, 2**63 - 1]), st.integers(0, 2), _numbers)
_requests = st.lists(st.lists(_points, min_size=1, max_size=60), min_size=1, max_size=5)


def send(database: Database, run: int, points: list[tuple[int, int, float]]) -> Summary:
    """Merge the summary of a request; returns it."""
    steps, times, values = (list(column) for column in zip(*points, strict=True))
    [(series, new)] = summarize(PointBatch(run, [KEY], [0] * len(points), steps, times, values))
    database.write_from_thread(lambda tx: summaries.merge(tx, [summaries.merge_row(1, series, new)]))
    return new


def stored(database: Database, run: int) -> Row:
    def read(connection: Connection) -> Row | None:
        return connection.row(select(*m.c).where(m.c.run_id == run))

    found = database.read_here(read)
    assert found is not None
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=_requests)
def test_sql_merges_as_the_reference_does(
    database: Database, requests: list[list[tuple[int, int, float]]]
) -> None:
    # Given a run, When requests with any numbers in any order are merged
    run, whole, stale = next(_runs), None, False
    for points in requests:
        new = send(database, run, points)
        if whole is None:
            whole = new
        else:
            whole, behind = merge(whole, new)
            stale = stale or behind
    # Then the row is what the reference says
    assert whole is not None
    row = dict(zip(m.c.keys(), stored(database, run), strict=True))
    expected = summaries.merge_row(1, series_id(run, KEY), whole)
    assert tuple(row[name] for name in summaries._COLUMNS) == expected
    assert row["stale"] == int(stale)


def test_a_sum_beyond_the_largest_number_is_infinite(database: Database) -> None:
    # Given two numbers whose sum no float holds
    run = next(_runs)
    send(database, run, [(1, 0, 1e308)])
    # When the second comes
    send(database, run, [(2, 0, 1e308)])
    # Then both are taken
    row = dict(zip(m.c.keys(), stored(database, run), strict=True))
    assert (row["count"], row["sum"], row["last_value"]) == (2, inf, 1e308)
