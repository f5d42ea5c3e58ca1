"""How often somebody may try: what is remembered is bounded, and nobody pushes anybody out."""

from __future__ import annotations

import sys

import pytest

from runyard.server.auth.rules import Attempts


def test_a_key_waits_after_too_many_tries() -> None:
    attempts = Attempts(60.0)
    for _ in range(3):
        assert attempts.wait("a", 3, 10.0) == 0
        attempts.note("a", 10.0)
    assert attempts.wait("a", 3, 25.0) == 45.0
    assert attempts.wait("b", 3, 25.0) == 0
    # And no longer than the window
    assert attempts.wait("a", 3, 70.0) == 0
    attempts.note("a", 70.0)
    assert attempts.wait("a", 3, 71.0) == 0


def test_a_success_is_no_try() -> None:
    attempts = Attempts(60.0)
    for _ in range(100):
        attempts.note("a", 1.0)
        attempts.take_back("a")
    assert attempts.wait("a", 1, 2.0) == 0
    attempts.take_back("never seen")
    attempts.note("a", 2.0)
    attempts.forget("a")
    assert attempts.wait("a", 1, 3.0) == 0


@pytest.mark.parametrize("at_once", [True, False])
def test_many_keys_push_out_nobody_who_waits(at_once: bool) -> None:
    attempts = Attempts(60.0)
    for _ in range(10):
        attempts.note(("ann", "192.0.2.1"), 1.0)
    for i in range(50_000):
        attempts.note((f"user {i}", "x" * 1000), 2.0 if at_once else 2.0 + i / 1000)
        assert len(attempts) <= Attempts.MAX_KEYS
    assert attempts.wait(("ann", "192.0.2.1"), 10, 52.0) > 0


def test_what_is_over_goes_first() -> None:
    attempts = Attempts(60.0)
    for i in range(Attempts.MAX_KEYS):
        attempts.note(i, 0.0)
    attempts.note("new", 61.0)
    assert len(attempts) == 1


def test_long_names_take_no_room() -> None:
    attempts = Attempts(60.0)
    attempts.note("x" * 1_000_000, 1.0)
    assert sum(sys.getsizeof(key) for key in attempts._counts) < 100
