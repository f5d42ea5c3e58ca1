"""Values of the tracking slice.

They are `msgspec.Struct`s rather than dataclasses: a page of search results makes tens of thousands of
them, and the edges encode them as they are. All are frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, IntEnum
from typing import Generic, Literal, TypeVar

import msgspec

from runyard.server.auth.types import Place

T = TypeVar("T")


class Value(msgspec.Struct, frozen=True, gc=False):
    """Base of the plain values; they hold no reference cycles."""


class Lifecycle(IntEnum):
    """Whether a thing is in use, in the trash, or on its way out of it, where nobody sees it any more.

    A run or logged model counts as its experiment does where that is further gone.
    """

    ACTIVE = 0
    DELETED = 1
    PURGED = 2


class FileState(IntEnum):
    """Where deleted artifact files are on their way; it is stored.

    The row says so before a file moves: so whoever finds it after a kill can go on.
    """

    DELETING = 0
    """On their way to the trash."""
    DELETED = 1
    RESTORING = 2
    """On their way back."""
    PURGED = 3


Noun = Literal["experiment", "run", "model"]
"""What can be deleted, and restored or purged afterwards."""


class View(Enum):
    """Which lifecycles a search shows."""

    ACTIVE_ONLY = "ACTIVE_ONLY"
    DELETED_ONLY = "DELETED_ONLY"
    ALL = "ALL"

    @property
    def lifecycles(self) -> list[int]:
        """The lifecycles as the database stores them."""
        if self is View.ALL:
            return [Lifecycle.ACTIVE, Lifecycle.DELETED]
        return [Lifecycle.ACTIVE if self is View.ACTIVE_ONLY else Lifecycle.DELETED]

    def lifecycles_in(self, experiment: Lifecycle) -> list[int]:
        """The same for the runs of an experiment: while it is in the trash, so are all of its runs."""
        if experiment is Lifecycle.ACTIVE or self is View.ALL:
            return self.lifecycles
        return [] if self is View.ACTIVE_ONLY else View.ALL.lifecycles


class RunStatus(IntEnum):
    """MLflow's states of a run, with the numbers of its protocol."""

    RUNNING = 1
    SCHEDULED = 2
    FINISHED = 3
    FAILED = 4
    KILLED = 5

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return self >= RunStatus.FINISHED


class Tag(Value, frozen=True, gc=False):
    """A tag or a parameter: a key and a text."""

    key: str
    value: str


Param = Tag


class Experiment(Value, frozen=True, gc=False):
    """An experiment. Times are milliseconds since the epoch."""

    id: int
    name: str
    artifact_location: str
    lifecycle: Lifecycle
    creation_time: int
    last_update_time: int
    tags: list[Tag]

    @property
    def place(self) -> Place:
        """Where it stands, for the rules that say who may do what."""
        return Place(self.id, self.name)


class RunInfo(Value, frozen=True, gc=False):
    """What a run is. Times are milliseconds since the epoch.

    Attributes:
        id: the surrogate key; it never leaves the server.
        uuid: the public id.
    """

    id: int
    uuid: str
    experiment_id: int
    name: str
    user_id: str
    status: int
    start_time: int
    end_time: int | None
    lifecycle: int
    artifact_uri: str


class MetricValue(Value, frozen=True, gc=False):
    """One point of a metric, or a series' last point. `value` may be NaN or infinite."""

    key: str
    value: float
    timestamp: int
    step: int


class DatasetInput(Value, frozen=True, gc=False):
    """A dataset that a run read, with the tags of this use."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None
    profile: str | None
    tags: list[Tag]


class ModelOutput(Value, frozen=True, gc=False):
    """A logged model that a run put out, at a step."""

    model_id: str
    step: int


class Run(Value, frozen=True, gc=False):
    """A run with all that is logged to it, each list in the order of its keys."""

    info: RunInfo
    params: list[Param]
    tags: list[Tag]
    metrics: list[MetricValue]
    datasets: list[DatasetInput]
    model_inputs: list[str]
    model_outputs: list[ModelOutput]


Summary = Literal[
    "last",
    "first",
    "min",
    "max",
    "mean",
    "sum",
    "count",
    "nan_count",
    "argmin",
    "argmax",
    "last_step",
    "last_time",
    "first_step",
    "first_time",
]
"""What a metric's history comes to: a value, a step (`argmin`: the step of the least value), a time in
milliseconds, or a number of points."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of results and the token of the next one; None on the last page."""

    items: list[T]
    next_token: str | None


class MetricPoints(Value, frozen=True, gc=False):
    """Points of one run's metrics as columns.

    Attributes:
        keys: the distinct keys.
        index: per point, the position of its key in `keys`; None when there is one key only.
        values, timestamps, steps: one entry a point; timestamps in milliseconds. Big batches bring arrays.
        origins: where a point is linked to a logged model or a dataset: position -> origin.
    """

    keys: list[str]
    index: list[int] | None
    values: Sequence[float]
    timestamps: Sequence[int]
    steps: Sequence[int]
    origins: dict[int, MetricOrigin] | None = None

    def key_at(self, point: int) -> str:
        """A point's key."""
        return self.keys[0 if self.index is None else self.index[point]]

    def first_of(self, key: str) -> int:
        """The first point with this key."""
        return 0 if self.index is None else self.index.index(self.keys.index(key))


class MetricOrigin(Value, frozen=True, gc=False):
    """What a metric's point measures: a logged model, maybe on a dataset."""

    model_id: str
    dataset_name: str
    dataset_digest: str


class RunBatch(Value, frozen=True, gc=False):
    """What one request logs to one run."""

    run: str
    points: MetricPoints | None
    params: list[Param]
    tags: list[Tag]


class NewRun(Value, frozen=True, gc=False):
    """A run to be created."""

    uuid: str
    experiment_id: int
    name: str
    user_id: str
    start_time: int
    tags: list[Tag]


class DatasetSummary(Value, frozen=True, gc=False):
    """A dataset that runs of an experiment read; `context` is empty where the runs named none."""

    experiment_id: int
    name: str
    digest: str
    context: str


class ModelStatus(IntEnum):
    """MLflow's states of a logged model, with the numbers of its protocol."""

    PENDING = 1
    READY = 2
    FAILED = 3


class ModelPoint(Value, frozen=True, gc=False):
    """A point that measures a logged model; the dataset's fields are empty where it names none."""

    key: str
    value: float
    timestamp: int
    step: int
    run: str
    dataset_name: str
    dataset_digest: str


class LoggedModel(Value, frozen=True, gc=False):
    """A logged model with all that is logged to it. Times are milliseconds since the epoch.

    Attributes:
        id: the surrogate key; it never leaves the server.
        uuid: the public id.
        model_type, source_run: empty where unknown.
        params, tags: in the order of their keys.
        points: every point that measures it, by key, then time, then step.
    """

    id: int
    uuid: str
    experiment_id: int
    name: str
    artifact_location: str
    creation_time: int
    last_update_time: int
    status: int
    model_type: str
    source_run: str
    lifecycle: int
    params: list[Param]
    tags: list[Tag]
    points: list[ModelPoint]


class NewModel(Value, frozen=True, gc=False):
    """A logged model to be created."""

    uuid: str
    name: str
    model_type: str
    source_run: str
    params: list[Param]
    tags: list[Tag]


class DatasetKey(Value, frozen=True, gc=False):
    """A dataset as searches name it; an empty digest means any."""

    name: str
    digest: str


class ModelOrder(Value, frozen=True, gc=False):
    """A term by which logged models are ordered, as it was sent.

    Attributes:
        field: an attribute, or `metrics.` and a key.
        ascending: the direction.
        dataset_name, dataset_digest: count only a metric's points on this dataset; empty means any.
    """

    field: str
    ascending: bool
    dataset_name: str
    dataset_digest: str
