"""A driver for the engine on one database."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from runyard.server.db import Database
from runyard.server.metrics import engine
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.fold import prepare, swap
from runyard.server.metrics.types import PointBatch, Points, SeriesId, key_of, scope_of
from tests.contract.metrics.model import MemoryKeeper, Model, Point, as_list

DEFAULT = Limits()


class Store:
    """The engine on a database, and the model beside it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keeper = MemoryKeeper()
        self.model = Model()

    def append(self, *group: PointBatch) -> None:
        """Append a group of batches, in one transaction."""
        self.database.write_from_thread(lambda tx: self.keeper.append(tx, group))
        self.model.append(group)

    def append_points(self, series: SeriesId, points: Points, rows: int = 1_000) -> None:
        """Append points of one series, in batches of so many points."""
        batches = []
        for start in range(0, len(points), rows):
            part = slice(start, start + rows)
            batches.append(
                PointBatch(
                    scope_of(series),
                    [key_of(series)],
                    None,
                    points.steps[part].tolist(),
                    points.timestamps[part].tolist(),
                    points.values[part].tolist(),
                )
            )
        self.append(*batches)

    def fold(self, scope: int, limits: Limits = DEFAULT) -> int:
        """Fold all that waits in a scope; returns the number of folds."""
        folds = 0
        while True:
            fold = self.database.read_here(lambda connection: prepare(connection, scope, self.keeper, limits))
            if fold is None:
                return folds
            assert self.database.write_from_thread(lambda tx, fold=fold: swap(tx, fold, self.keeper))  # type: ignore[misc]
            folds += 1

    def history(self, series: SeriesId, limit: int = 1_000_000) -> list[Point]:
        """A series' history, page by page."""
        found: list[Point] = []
        after = None
        while True:
            page = self.database.read_here(
                lambda connection, after=after: engine.history(  # type: ignore[misc]
                    connection, series, after=after, limit=limit
                )
            )
            found += as_list(page.points)
            after = page.next
            if after is None:
                return found


@pytest.fixture
def store(database: Database) -> Store:
    """The engine on each database, empty."""
    return Store(database)


def batch(scope: int, key: int, points: Sequence[Point]) -> PointBatch:
    """Points (timestamp, step, value) of one series."""
    return PointBatch(
        scope,
        [key],
        None,
        [step for _, step, _ in points],
        [timestamp for timestamp, _, _ in points],
        [value for _, _, value in points],
    )
