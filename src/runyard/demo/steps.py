"""What the demo trains: values only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from mlflow.entities import Run

VERSION = "1"
"""Raised when a step's meaning changes: runs of another version are not taken for this one's."""

Ending = Literal["FINISHED", "FAILED"]


class Runs(Protocol):
    """What a step may ask of the runs in its experiment."""

    def children(self, key: str) -> list[Run]:
        """The finished runs below a step's run."""

    def adopt(self, step: Step, candidates: Sequence[Mapping[str, object]]) -> None:
        """Names and tags the runs that autologging made below the step's run, one per candidate."""


@dataclass(frozen=True, slots=True)
class Step:
    """One run to make.

    `key` names it in its experiment for all time; `train` logs into the active run, after the children,
    which become nested runs; `then` gives the step that follows from what is on the server after it.
    """

    key: str
    name: str
    description: str
    train: Callable[[Runs], None]
    tags: Mapping[str, str] = field(default_factory=dict)
    ends: Ending = "FINISHED"
    children: tuple[Step, ...] = ()
    then: Callable[[Runs], Step] | None = None


@dataclass(frozen=True, slots=True)
class Goal:
    """The metric that tells an experiment's best run."""

    metric: str
    greater_is_better: bool

    def is_better(self, value: float, than: float) -> bool:
        """Whether the first value beats the second."""
        return value > than if self.greater_is_better else value < than


@dataclass(frozen=True, slots=True)
class Topic:
    """One experiment with its steps; those of `plan(quick=True)` are among those of `plan(quick=False)`."""

    experiment: str
    description: str
    goal: Goal
    plan: Callable[[bool], tuple[Step, ...]]
