"""Which scopes are due."""

from __future__ import annotations

from runyard.server.metrics.compaction import Policy, Schedule
from runyard.server.metrics.log import Backlog

POLICY = Policy(rows=10, points=1_000, idle_ms=500, total_rows=30)
NOTHING: tuple[list[int], list[int]] = ([], [])


def test_a_scope_is_due_by_rows_or_points_the_longest_first() -> None:
    waiting = [Backlog(1, 10, 10), Backlog(2, 9, 999), Backlog(3, 1, 1_000), Backlog(4, 12, 12)]
    assert Schedule(POLICY).due(waiting, 0) == ([4, 1, 3], [])


def test_a_scope_is_due_when_nothing_came_for_a_while() -> None:
    schedule = Schedule(POLICY)
    assert schedule.due([Backlog(1, 1, 1)], 0) == NOTHING
    assert schedule.due([Backlog(1, 1, 1)], 499) == NOTHING
    assert schedule.due([Backlog(1, 2, 2)], 500) == NOTHING  # something came
    assert schedule.due([Backlog(1, 2, 2)], 999) == NOTHING
    assert schedule.due([Backlog(1, 2, 2)], 1_000) == ([], [1])


def test_what_is_idle_gives_way_to_what_is_urgent() -> None:
    schedule = Schedule(POLICY)
    waiting = [Backlog(1, 1, 1), Backlog(2, 3, 3), Backlog(3, 10, 10)]
    schedule.due(waiting[:2], 0)
    assert schedule.due(waiting, 600) == ([3], [2, 1])


def test_the_wait_starts_anew_after_a_fold() -> None:
    schedule = Schedule(POLICY)
    schedule.due([Backlog(1, 1, 1)], 0)
    assert schedule.due([Backlog(1, 1, 1)], 600) == ([], [1])
    assert schedule.due([], 700) == NOTHING
    assert schedule.due([Backlog(1, 1, 1)], 800) == NOTHING


def test_under_pressure_the_longest_backlogs_go_too() -> None:
    waiting = [Backlog(scope, 5 + scope % 3, 5) for scope in range(9)]
    due = Schedule(POLICY).due(waiting, 0).urgent
    left = sum(entry.rows for entry in waiting if entry.scope not in due)
    assert left <= POLICY.total_rows
    shortest_due = min(entry.rows for entry in waiting if entry.scope in due)
    assert shortest_due >= max(entry.rows for entry in waiting if entry.scope not in due)


def test_a_scope_that_grows_fast_waits_for_a_bigger_fold() -> None:
    schedule = Schedule(POLICY)
    found = [schedule.due([Backlog(1, 1, points)], 0).urgent for points in (900, 1_800, 2_700, 3_600, 4_500)]
    assert found == [[], [], [], [], [1]]


def test_a_scope_whose_growth_slows_down_is_due() -> None:
    schedule = Schedule(POLICY)
    assert schedule.due([Backlog(1, 1, 900)], 0) == NOTHING
    assert schedule.due([Backlog(1, 1, 1_800)], 0) == NOTHING
    assert schedule.due([Backlog(1, 1, 1_900)], 0) == ([1], [])


def test_a_scope_that_was_folded_and_grows_on_waits_again() -> None:
    schedule = Schedule(POLICY)
    schedule.due([Backlog(1, 1, 5_000)], 0)
    assert schedule.due([Backlog(1, 1, 1_200)], 0) == NOTHING
