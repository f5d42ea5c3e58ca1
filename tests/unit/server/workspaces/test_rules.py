"""Quotas as they are told, and how many requests pass."""

from __future__ import annotations

import msgspec
import pytest

from runyard.server.auth import LOCAL, Access, Level, Permission, WorkspaceRef
from runyard.server.auth.types import RunScope
from runyard.server.kernel.errors import RunyardError
from runyard.server.workspaces import rules
from runyard.server.workspaces.types import Quotas, Sums

TEAM = WorkspaceRef(2, "team", 5)
ANYBODY = msgspec.structs.replace(LOCAL, workspace=TEAM)
READER = frozenset({Permission.EXPERIMENT_READ})


def test_a_bucket_lets_a_seconds_worth_pass_at_once_and_then_the_rate() -> None:
    # Given
    bucket = rules.Bucket(8, 100.0)
    # When, then
    assert [bucket.take(100.0) for _ in range(9)] == [True] * 8 + [False]
    assert [bucket.take(100.0625), bucket.take(100.125), bucket.take(100.125)] == [False, True, False]
    assert sum(bucket.take(100.125 + i / 64) for i in range(1, 65)) == 8
    # However long nothing came, no more than a second's worth
    assert sum(bucket.take(500.0) for _ in range(30)) == 8


def test_one_request_a_second_is_possible() -> None:
    bucket = rules.Bucket(1, 0.0)
    assert [bucket.take(t) for t in (0.0, 0.5, 1.0, 1.5, 3.0)] == [True, False, True, False, True]


@pytest.mark.parametrize("name", rules.QUOTAS)
def test_a_refusal_says_which_quota_what_is_used_and_what_to_do(name: str) -> None:
    # Given
    error: RunyardError
    if name == "requests_per_second":
        error = rules.too_often("team", 5)
    else:
        error = rules.used_up(name, ANYBODY, "x1", used=1_900, limit=2_000, more=200)
    # Then
    assert f"'{name}'" in error.message
    enough = 10 if name == "requests_per_second" else 4_000
    assert error.message.endswith(f"runyard workspace quotas team --set {name}={enough}")
    assert rules.QUOTAS[name].instead in error.message
    if name != "requests_per_second":
        assert "1,900 of 2,000" in error.message
        assert "200 more" in error.message
        assert ("the workspace 'team' has" in error.message) == name.endswith("_per_workspace")
        assert ("the run x1 has" in error.message) == name.endswith("_per_run")


@pytest.mark.parametrize(
    ("access", "told"),
    [
        (Access(READER), {"run", "experiment", "workspace"}),
        (Access(READER, experiments={7: Level.NONE}), {"run", "experiment"}),
        (Access(experiments={7: Level.READ}), {"run", "experiment"}),
        (Access(READER, scope=RunScope("x1", 7)), {"run"}),
    ],
)
def test_a_refusal_tells_nobody_what_is_hidden_from_him(access: Access, told: set[str]) -> None:
    principal = msgspec.structs.replace(ANYBODY, access=access)
    for scope in ("run", "experiment", "workspace"):
        # When
        name = f"artifact_bytes_per_{scope}"
        errors = [
            rules.used_up(name, principal, "x1", used=used, limit=2_000, more=more).message
            for used, more in ((1_877, 200), (1_999, 200), (1_999, 3_000))
        ]
        # Then
        if scope in told:
            assert ["has 1,877 of 2,000 bytes" in error for error in errors] == [True, False, False]
        else:
            assert errors[0] == errors[1]
            assert "may have 2,000 bytes, and this request brings 200 more" in errors[0]
            assert [error.rpartition("=")[2] for error in errors] == ["4000", "4000", "5000"]


def test_every_quota_has_a_row() -> None:
    assert tuple(rules.QUOTAS) == Quotas.__struct_fields__


def test_sums() -> None:
    assert Sums(1, 2, 3, 4) + Sums(10, 20, 30, 40) == Sums(11, 22, 33, 44)
    assert Sums(1, 2, 3, 4) - Sums(1, 2, 3, 4) == Sums()
    assert not Sums()
    assert Sums(files=-1)
