"""What a growth suite is and what it reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Measure:
    """One measured figure; `target` says in words what it is to be, `met` whether it is."""

    what: str
    value: float
    unit: str
    target: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Suite:
    """A growth suite: `run` makes its own data and server, and cleans up after itself."""

    name: str
    title: str
    run: Callable[[Progress], Sequence[Measure]]
