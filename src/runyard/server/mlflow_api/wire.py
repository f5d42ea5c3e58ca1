"""MLflow's JSON: what requests hold, what answers hold.

Requests are read as leniently as protobuf's JSON: 64-bit integers may be strings, NaN and infinities are
strings, unknown fields are ignored, null means absent. Answers leave out what is empty.
"""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

import msgspec

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.types import (
    DatasetInput,
    Experiment,
    Lifecycle,
    MetricValue,
    ModelOutput,
    Run,
    RunInfo,
    RunStatus,
    Tag,
    View,
)

Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]


class Request(msgspec.Struct):
    """Base of what clients send."""


class Answer(msgspec.Struct, omit_defaults=True, gc=False):
    """Base of what clients get; fields that equal their default are left out."""


class Empty(Answer):
    """An answer without content."""


EMPTY = Empty()


def required(value: str | None, name: str) -> str:
    """A text that must be there and not empty."""
    if not value:
        raise missing(name)
    return value


def given(value: int | None, name: str) -> int:
    """A number that must be there."""
    if value is None:
        raise missing(name)
    return value


def missing(name: str) -> InvalidArgument:
    """The error for a field that must be there."""
    return InvalidArgument(
        f"Missing value for required parameter '{name}'. See the API docs for more information about "
        "request parameters.",
        field=name,
    )


def experiment_id(value: str | None, name: str = "experiment_id") -> int:
    """An experiment's id, which MLflow writes as a string of digits."""
    text = required(value, name)
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise InvalidArgument(
            f"Invalid experiment ID '{text[:100]}'. Experiment ID must be a valid integer.", field=name
        )
    return int(text)


def run_id(run: str | None, legacy: str | None) -> str:
    """A run's id from `run_id`, or from `run_uuid`, which old clients send."""
    return required(run or legacy, "run_id")


class KeyValue(Request, gc=False):
    """A tag or parameter as sent."""

    key: str | None = None
    value: str | None = None


def tags_from(sent: list[KeyValue] | None, name: str = "tags") -> list[Tag]:
    """Tags or params as sent; an absent value is the empty text."""
    return [Tag(required(x.key, f"{name}[{i}].key"), x.value or "") for i, x in enumerate(sent or ())]


_VIEWS: dict[str, View] = {
    "ACTIVE_ONLY": View.ACTIVE_ONLY,
    "DELETED_ONLY": View.DELETED_ONLY,
    "ALL": View.ALL,
    "1": View.ACTIVE_ONLY,
    "2": View.DELETED_ONLY,
    "3": View.ALL,
}


def view_from(value: str | int | None, name: str) -> View:
    """A view type by its name or its number in the protocol."""
    if value is None:
        return View.ACTIVE_ONLY
    found = _VIEWS.get(str(value).upper())
    if found is None:
        raise InvalidArgument(
            f"Invalid value '{str(value)[:100]}' for parameter '{name}' supplied; "
            "it must be ACTIVE_ONLY, DELETED_ONLY or ALL.",
            field=name,
        )
    return found


def status_from(value: str | int | None) -> int | None:
    """A run's status by its name or its number in the protocol."""
    if value is None:
        return None
    try:
        if isinstance(value, int) or value.isdigit():
            return RunStatus(int(value))
        return RunStatus[value.upper()]
    except (KeyError, ValueError) as error:
        raise InvalidArgument(
            f"Invalid value '{str(value)[:100]}' for parameter 'status' supplied; it must be one of "
            f"{', '.join(status.name for status in RunStatus)}.",
            field="status",
        ) from error


class WireMetric(Answer):
    """A point; NaN and infinities are texts, since JSON has no numbers for them."""

    key: str
    value: float | str
    timestamp: int
    # Required, or a step of 0 would be left out.
    step: int
    run_id: str | None = None


def number(value: float) -> float | str:
    """A number as JSON can hold it."""
    if isfinite(value):
        return value
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"  # noqa: PLR0124 - NaN's test


def metrics_to(points: list[MetricValue]) -> list[Any]:
    """Points as MLflow shows them; finite ones go out as they are."""
    return [
        p if isfinite(p.value) else WireMetric(p.key, number(p.value), p.timestamp, p.step) for p in points
    ]


class WireExperiment(Answer):
    """An experiment as MLflow shows it."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    tags: list[Tag] = []


def experiment_to(found: Experiment) -> WireExperiment:
    """An experiment as MLflow shows it."""
    return WireExperiment(
        str(found.id),
        found.name,
        found.artifact_location,
        STAGES[found.lifecycle],
        found.last_update_time,
        found.creation_time,
        found.tags,
    )


STAGES = {Lifecycle.ACTIVE: "active", Lifecycle.DELETED: "deleted", 0: "active", 1: "deleted"}
_STATUS_NAMES = {int(status): status.name for status in RunStatus}


class WireRunInfo(Answer):
    """A run's own facts as MLflow shows them."""

    run_uuid: str
    experiment_id: str
    run_name: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    run_id: str
    end_time: int | None = None


class WireRunData(Answer):
    """What is logged to a run."""

    metrics: list[Any] = []
    params: list[Tag] = []
    tags: list[Tag] = []


class WireDataset(Answer):
    """A dataset."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class WireDatasetInput(Answer):
    """A dataset with the tags of its use."""

    tags: list[Tag]
    dataset: WireDataset


class WireModelInput(Answer):
    """A logged model that a run read."""

    model_id: str


class WireInputs(Answer):
    """What a run read."""

    dataset_inputs: list[WireDatasetInput] = []
    model_inputs: list[WireModelInput] = []


class WireOutputs(Answer):
    """What a run put out."""

    model_outputs: list[ModelOutput] = []


class WireRun(Answer):
    """A run."""

    info: WireRunInfo
    data: WireRunData
    inputs: WireInputs
    outputs: WireOutputs


_NO_INPUTS, _NO_OUTPUTS = WireInputs(), WireOutputs()


def info_to(info: RunInfo) -> WireRunInfo:
    """A run's own facts as MLflow shows them."""
    return WireRunInfo(
        info.uuid,
        str(info.experiment_id),
        info.name,
        info.user_id,
        _STATUS_NAMES[info.status],
        info.start_time,
        info.artifact_uri,
        STAGES[info.lifecycle],
        info.uuid,
        info.end_time,
    )


def run_to(run: Run) -> WireRun:
    """A run as MLflow shows it."""
    inputs = _NO_INPUTS
    if run.datasets or run.model_inputs:
        inputs = WireInputs(
            [_dataset_input_to(d) for d in run.datasets], [WireModelInput(m) for m in run.model_inputs]
        )
    outputs = WireOutputs(run.model_outputs) if run.model_outputs else _NO_OUTPUTS
    return WireRun(
        info_to(run.info), WireRunData(metrics_to(run.metrics), run.params, run.tags), inputs, outputs
    )


def _dataset_input_to(d: DatasetInput) -> WireDatasetInput:
    return WireDatasetInput(
        d.tags, WireDataset(d.name, d.digest, d.source_type, d.source, d.schema, d.profile)
    )
