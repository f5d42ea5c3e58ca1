"""The growth suites that `--full` runs after the tables: what Runyard costs as it fills up.

A suite is a module `growth_<what>.py` of this package with a `SUITE`; it is listed here and nowhere else.
"""

from __future__ import annotations

from benchmarks.growth_auth import SUITE as AUTH
from benchmarks.growth_metrics import SUITE as METRICS
from benchmarks.growth_runs import SUITE as RUNS
from benchmarks.measures import Measure, Progress, Suite

__all__ = ["SUITES", "Measure", "Progress", "Suite"]

SUITES: tuple[Suite, ...] = (AUTH, RUNS, METRICS)
