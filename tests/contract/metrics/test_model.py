"""The engine against the model, under any interleaving of appends, folds, deletions and reads."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    rule,
    run_state_machine_as_test,
)

from runyard.server.db import Database
from runyard.server.metrics import engine
from runyard.server.metrics.distribution import Limits
from runyard.server.metrics.fold import Fold, prepare, swap
from runyard.server.metrics.types import PointBatch, SeriesId
from tests.contract.metrics.model import (
    MemoryKeeper,
    Model,
    Point,
    as_list,
    same_points,
    same_summary,
)

# Small, so that a few points fill packs and chunks.
LIMITS = Limits(chunk=8, pack=12, pack_per_key=2, fold=24, rewrite=2)
KEYS = (3, 7, 2**32 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)

scopes = st.sampled_from((0, 1))
steps = st.one_of(st.integers(0, 12), st.integers(0, 12), INT64)
timestamps = st.one_of(st.integers(100, 140), st.integers(100, 140), INT64)
values = st.one_of(st.sampled_from((0.0, -0.0, 1.5, float("nan"), float("inf"))), st.floats(width=64))

_scope_numbers = count(1)


@st.composite
def batches(draw: st.DrawFn) -> PointBatch:
    """Any batch; its scope is relative."""
    points = draw(
        st.lists(st.tuples(st.integers(0, len(KEYS) - 1), steps, timestamps, values), min_size=1, max_size=60)
    )
    one_key = draw(st.booleans())
    return PointBatch(
        draw(scopes),
        [KEYS[1]] if one_key else list(KEYS),
        None if one_key else [point[0] for point in points],
        [point[1] for point in points],
        [point[2] for point in points],
        [point[3] for point in points],
    )


@st.composite
def trains(draw: st.DrawFn) -> PointBatch:
    """A batch as a training sends it: one key, steps and times going on."""
    start, n = draw(st.integers(0, 60)), draw(st.integers(1, 30))
    return PointBatch(
        draw(scopes),
        [KEYS[0]],
        None,
        list(range(start, start + n)),
        [1_000 + 10 * step for step in range(start, start + n)],
        [step / 4 for step in range(start, start + n)],
    )


class Machine(RuleBasedStateMachine):
    """Drives the engine and the model alike."""

    database: Database
    folds = Bundle("folds")

    @initialize()
    def begin(self) -> None:
        # Fresh scopes: every example shares the database.
        self.scope = [next(_scope_numbers), next(_scope_numbers)]
        self.model = Model()
        self.keeper = MemoryKeeper()

    @rule(group=st.lists(st.one_of(batches(), trains()), min_size=1, max_size=4))
    def append(self, group: list[PointBatch]) -> None:
        for batch in group:
            batch.scope = self.scope[batch.scope]
        self.database.write_from_thread(lambda tx: self.keeper.append(tx, group))
        self.model.append(group)

    @rule(target=folds, scope=scopes)
    def prepare_fold(self, scope: int) -> Fold | None:
        return self.database.read_here(
            lambda connection: prepare(connection, self.scope[scope], self.keeper, LIMITS)
        )

    @rule(fold=consumes(folds))
    def swap_fold(self, fold: Fold | None) -> None:
        if fold is not None:
            self.database.write_from_thread(lambda tx: swap(tx, fold, self.keeper))

    @rule(scope=scopes)
    def fold_completely(self, scope: int) -> None:
        while True:
            fold = self.prepare_fold_of(self.scope[scope])
            if fold is None:
                break
            assert self.database.write_from_thread(lambda tx, fold=fold: swap(tx, fold, self.keeper))  # type: ignore[misc]
        for series, (summary, stale) in self.keeper.stored.items():
            if series >> 32 == self.scope[scope]:
                assert not stale
                assert same_summary(summary, self.model.summary(series))

    @rule(scope=scopes)
    def delete(self, scope: int) -> None:
        number = self.scope[scope]
        assert self.database.write_from_thread(lambda tx: engine.delete_scopes(tx, [number]))
        self.model.delete(number)
        self.keeper.delete(number)
        # A deleted scope's number is never used again.
        self.scope[scope] = next(_scope_numbers)

    @rule(limit=st.integers(1, 30))
    def read_pages(self, limit: int) -> None:
        for series in self.model.series():
            assert same_points(self._pages(series, limit), self.model.history(series))

    @rule(limit=st.integers(1, 100), each=st.none() | st.integers(1, 50))
    def read_many(self, limit: int, each: int | None) -> None:
        series = self.model.series()
        found = self.database.read_here(
            lambda connection: engine.history_many(connection, series, limit=limit, limit_each=each)
        )
        left = limit
        expected = []
        for one in series:
            points = self.model.history(one)[: min(left, each or left)]
            if points:
                expected.append((one, points))
                left -= len(points)
        assert [one for one, _ in found] == [one for one, _ in expected]
        for (_, got), (_, wanted) in zip(found, expected, strict=True):
            assert same_points(as_list(got), wanted)

    @rule()
    def check_summaries(self) -> None:
        assert sorted(self.keeper.stored) == self.model.series()
        for series, (summary, stale) in self.keeper.stored.items():
            wanted = self.model.summary(series)
            if stale:
                summary = summary._replace(n=wanted.n, nan_count=wanted.nan_count, sum=wanted.sum)  # noqa: PLW2901
            assert same_summary(summary, wanted)

    def prepare_fold_of(self, scope: int) -> Fold | None:
        return self.database.read_here(lambda connection: prepare(connection, scope, self.keeper, LIMITS))

    def _pages(self, series: SeriesId, limit: int) -> list[Point]:
        found: list[Point] = []
        after = None
        while True:
            page = self.database.read_here(
                lambda connection, after=after: engine.history(connection, series, after=after, limit=limit)  # type: ignore[misc]
            )
            assert len(page.points) <= limit
            found += as_list(page.points)
            after = page.next
            if after is None:
                return found
            assert len(page.points) == limit

    def teardown(self) -> None:
        if hasattr(self, "model"):
            self.read_pages(1_000)
            self.check_summaries()
            for scope in (0, 1):
                self.fold_completely(scope)
            self.read_pages(7)


def test_the_engine_equals_the_model(database: Database, request: pytest.FixtureRequest) -> None:
    class BoundMachine(Machine):
        pass

    BoundMachine.database = database
    examples = 100 if database.dialect.name == "sqlite" else 8
    run_state_machine_as_test(
        BoundMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
