"""Numbers and names between MLflow's JSON and the server's values."""

from __future__ import annotations

import json
import struct
from math import isnan
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.mlflow_api import wire
from runyard.server.mlflow_api.logging import LogBatch, LogMetric
from runyard.server.tracking.types import MetricValue, RunStatus, View
from runyard.server.web.bodies import decoder_of

BOUNDED = settings(max_examples=300, deadline=None, derandomize=True, database=None)
int64 = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([-(2**63), 2**63 - 1, 0, 2**53 + 1])


def bits(value: float) -> bytes:
    """A float's exact representation; every NaN is the same."""
    return b"NaN" if isnan(value) else struct.pack(">d", value)


@BOUNDED
@given(st.floats(), int64, int64)
def test_a_point_that_is_shown_reads_as_it_was(value: float, timestamp: int, step: int) -> None:
    # Given
    (shown,) = json.loads(msgspec.json.encode(wire.metrics_to([MetricValue("m", value, timestamp, step)])))
    # Then: strict JSON, and numbers where numbers can be
    assert isinstance(shown["value"], str) == (value != value or abs(value) == float("inf"))  # noqa: PLR0124
    # When
    back = decoder_of(LogMetric)(json.dumps(shown, allow_nan=False).encode())
    # Then
    assert bits(back.value) == bits(value)
    assert (back.timestamp, back.step) == (timestamp, step)


@BOUNDED
@given(st.floats(), int64, int64)
def test_every_spelling_of_a_number_is_the_same_number(value: float, timestamp: int, step: int) -> None:
    spellings: list[dict[str, Any]] = [
        {"value": value, "timestamp": timestamp, "step": step},
        {"value": repr(value), "timestamp": str(timestamp), "step": str(step)},
        {"value": wire.number(value), "timestamp": timestamp, "step": str(step)},
    ]
    for spelling in spellings:
        # When
        body = json.dumps({"metrics": [spelling]}).encode()
        (point,) = decoder_of(LogBatch)(body).metrics
        # Then
        assert bits(point.value) == bits(value)
        assert (point.timestamp, point.step) == (timestamp, step)


@pytest.mark.parametrize("beyond", [2**63, -(2**63) - 1, 10**30])
def test_integers_end_at_64_bits(beyond: int) -> None:
    for sent in (beyond, str(beyond)):
        with pytest.raises(InvalidArgument) as refused:
            decoder_of(LogMetric)(json.dumps({"timestamp": sent}).encode())
        assert refused.value.field == "timestamp"


@pytest.mark.parametrize("view", list(View))
def test_a_view_goes_by_name_or_number(view: View) -> None:
    number = ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"].index(view.value) + 1
    for spelling in (view.value, view.value.lower(), number, str(number)):
        assert wire.view_from(spelling, "view_type") is view


def test_no_view_means_what_is_active() -> None:
    assert wire.view_from(None, "view_type") is View.ACTIVE_ONLY


@given(st.integers() | st.text())
def test_any_other_view_is_refused(value: int | str) -> None:
    if str(value).upper() not in {"1", "2", "3", *(view.value for view in View)}:
        with pytest.raises(InvalidArgument) as refused:
            wire.view_from(value, "run_view_type")
        assert refused.value.field == "run_view_type"


@pytest.mark.parametrize("status", list(RunStatus))
def test_a_status_goes_by_name_or_number(status: RunStatus) -> None:
    for spelling in (status.name, status.name.lower(), int(status), str(int(status))):
        assert wire.status_from(spelling) == status


@given(st.integers() | st.text())
def test_any_other_status_is_refused(value: int | str) -> None:
    known = {name for s in RunStatus for name in (s.name, str(int(s)))}
    if str(value).upper() not in known:
        with pytest.raises(InvalidArgument) as refused:
            wire.status_from(value)
        assert refused.value.field == "status"


@given(st.text() | st.integers().map(str))
def test_an_experiments_id_is_digits(text: str) -> None:
    if text.isascii() and text.isdigit() and len(text) <= 18:
        assert wire.experiment_id(text) == int(text)
    else:
        with pytest.raises(InvalidArgument) as refused:
            wire.experiment_id(text, "experiment_ids[3]")
        assert refused.value.field == "experiment_ids[3]"
