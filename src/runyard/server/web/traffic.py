"""Counts what goes through the server, at the cost of a few additions; `telemetry` shows it.

Nothing here is locked: the routes' counters belong to the event loop, the groups' to the writer thread,
and a reader that sees a number one too small does no harm.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


class Histogram:
    """How often values fell between bounds, and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class RouteTraffic:
    """The answered requests of one route."""

    __slots__ = ("method", "path", "seconds", "statuses")

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.statuses: dict[int, int] = {}
        self.seconds = Histogram(SECONDS)

    def observe(self, status: int, seconds: float) -> None:
        """Count one answered request."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.observe(seconds)


class Traffic:
    """The answered requests of all routes."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, str], RouteTraffic] = {}

    def route(self, method: str, path: str) -> RouteTraffic:
        """The counters of one route, made at the first call."""
        return self._routes.setdefault((method, path), RouteTraffic(method, path))

    def __iter__(self) -> Iterator[RouteTraffic]:
        return iter(tuple(self._routes.values()))


class GroupTraffic:
    """The groups of mutations that were committed together."""

    __slots__ = ("seconds", "sizes")

    def __init__(self) -> None:
        self.sizes = Histogram(SIZES)
        self.seconds = Histogram(SECONDS)

    def observe(self, size: int, seconds: float) -> None:
        """Count one group."""
        self.sizes.observe(size)
        self.seconds.observe(seconds)


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number that is looked up when somebody asks; None leaves it out.

    `grows` says that it only ever grows, from 0 at the start: Prometheus calls that a counter.
    """

    name: str
    help: str
    read: Callable[[], float | None]
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Counters:
    """Everything that this process counts.

    Attributes:
        traffic: the answered requests.
        groups: the committed groups of mutations.
        gauges: further numbers.
        info: what names this process: its version, its database, ...
    """

    traffic: Traffic
    groups: GroupTraffic
    gauges: tuple[Gauge, ...]
    info: Mapping[str, str]
