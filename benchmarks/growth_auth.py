"""What signing in costs, and what very many users, workspaces and rules of folders cost.

Three servers have the same runs: one without login, one with one user, one workspace beside `default` and
one rule, and one with ten thousand users and rules, nine thousand of which are the first user's. They are
measured in turns, the others paused, so that all meet the same moods of the machine; judged are the ratios
of measurements that follow each other, on SQLite and on PostgreSQL. Beside what a client sees stands the
server's own processor time a request (without PostgreSQL's), which other programs disturb less, and last what
the gate alone needs.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import postgres
from benchmarks.auth_data import Shared, Size, make_shared
from benchmarks.auth_gate import gate_cost
from benchmarks.dataset import new_runs
from benchmarks.load import Load, Source, TimeBox, drive, time_one
from benchmarks.measures import Measure, Progress, Suite
from benchmarks.payloads import point_source
from benchmarks.peers import PEERS, Server
from benchmarks.wire import Address, post
from runyard.server.db.database import open_dialect

NOBODY, ONE, MANY, CROWD = "nobody", "one", "many", "crowd"
SIZES = {NOBODY: Size(0, 0, 0), ONE: Size(1, 1, 1), MANY: Size(10_000, 1_000, 10_000)}
CONNECTIONS = 32
TURNS = 16
MOST = 10.0
SEARCHES: Mapping[str, tuple[str, Sequence[str]]] = {
    "newest first": ("", []),
    "a filter and an order": ("metrics.acc > 0.5 and params.optimizer = 'sgd'", ["metrics.f1 DESC"]),
}
_RUNYARD = next(peer for peer in PEERS if peer.name == "runyard")
_WRITES = TimeBox(warmup=0.3, seconds=1.7, samples=1)
_READS = TimeBox(warmup=0.2, seconds=1.0, samples=1)


class Cost(NamedTuple):
    """What a request costs: seconds that a client waits for it, or each of many has it; the server's work."""

    seconds: float
    processor: float


Ask = Callable[[], Cost]


def run(progress: Progress) -> Sequence[Measure]:
    """All measures, in about fifteen minutes."""
    with tempfile.TemporaryDirectory(prefix="bench-auth-") as folder:
        found = _measured("SQLite", lambda name: f"sqlite:///{Path(folder) / name}.db", progress)
    with postgres.running() as server:
        found += _measured("PostgreSQL", server.new_database, progress)
    return [*found, *_gate(progress)]


def _measured(database: str, url_of: Callable[[str], str], progress: Progress) -> list[Measure]:
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_serving(size, url_of(name), progress)) for name, size in SIZES.items()
        }
        for one in servers.values():
            one.server.pause()
        found = [*_logging(servers, progress), *_searching(servers, progress)]
    return [replace(measure, what=f"{database}, {measure.what}") for measure in found]


SUITE = Suite("auth", "Sign-in, roles and rules: what they cost, and what very many of them cost", run)


class _Serving:
    """A running server and what is in it."""

    def __init__(self, server: Server, shared: Shared) -> None:
        self.server = server
        self.shared = shared
        self._sources: list[Source] = []
        self._crowd: list[Source] = []

    @property
    def address(self) -> Address:
        return self.server.address

    def log(self) -> Cost:
        """A `log-metric` among those of many connections, all with the first user's token."""
        if not self._sources:
            self._sources = self._points([self.address] * CONNECTIONS)
        return self._logged(self._sources)

    def log_as_crowd(self) -> Cost:
        """The same, each connection with the token of another user, who has a rule or two."""
        if not self._crowd:
            tokens = self.shared.tokens[1 : 1 + CONNECTIONS]
            self._crowd = self._points([replace(self.address, headers=(token,)) for token in tokens])
        return self._logged(self._crowd)

    def search(self, filter_text: str, order_by: Sequence[str]) -> Cost:
        """A search at one connection; its seconds are the median's."""
        request = post(
            self.address,
            "runs/search",
            {
                "experiment_ids": [str(self.shared.experiment)],
                "filter": filter_text,
                "order_by": list(order_by),
                "max_results": 100,
            },
        )
        before = self.server.processor_seconds()
        load = time_one(self.address, lambda: request, _READS)
        return Cost(load.quantile(0.5), self._work(before, load))

    def _logged(self, sources: Sequence[Source]) -> Cost:
        before = self.server.processor_seconds()
        load = drive(self.address, sources, _WRITES)
        return Cost(1 / load.rate, self._work(before, load))

    def _work(self, before: float, load: Load) -> float:
        return (self.server.processor_seconds() - before) / sum(load.acknowledged)

    def _points(self, addresses: Sequence[Address]) -> list[Source]:
        experiment = str(self.shared.experiment)
        run_ids = new_runs(self.address, experiment, len(addresses))
        return [point_source(*pair) for pair in zip(addresses, run_ids, strict=True)]


def _logging(servers: Mapping[str, _Serving], progress: Progress) -> list[Measure]:
    nobody, one, many = (servers[name] for name in (NOBODY, ONE, MANY))
    asked: dict[str, tuple[_Serving, Ask]] = {
        NOBODY: (nobody, nobody.log),
        ONE: (one, one.log),
        MANY: (many, many.log),
        CROWD: (many, many.log_as_crowd),
    }
    costs = _in_turns(asked, progress, "log-metric")
    return [
        Measure("log-metric without login", 1 / _median(costs[NOBODY]), "requests/s"),
        Measure("log-metric with a token", 1 / _median(costs[ONE]), "requests/s"),
        *_slower("log-metric: a token against no login", costs[NOBODY], costs[ONE]),
        *_slower("log-metric: very many against one of each", costs[ONE], costs[MANY]),
        *_slower(f"log-metric: the same, {CONNECTIONS} users at once", costs[ONE], costs[CROWD]),
    ]


def _searching(servers: Mapping[str, _Serving], progress: Progress) -> list[Measure]:
    found = []
    for name, search in SEARCHES.items():
        asked: dict[str, tuple[_Serving, Ask]] = {
            key: (one, partial(one.search, *search)) for key, one in servers.items()
        }
        costs = _in_turns(asked, progress, f"search, {name}")
        found += [
            Measure(f"search, {name}: with a token", 1000 * _median(costs[ONE]), "ms"),
            *_slower(f"search, {name}: a token against no login", costs[NOBODY], costs[ONE]),
            *_slower(f"search, {name}: very many against one of each", costs[ONE], costs[MANY]),
        ]
    return found


def _gate(progress: Progress) -> list[Measure]:
    found = []
    for name in (ONE, MANY):
        cost, what = gate_cost(SIZES[name], progress), f"the gate, {SIZES[name].users:,} users"
        found += [
            Measure(f"{what}: a token that it keeps", cost.kept, "µs"),
            Measure(f"{what}: a token looked up anew, every 5 s", cost.anew, "µs"),
            Measure(f"{what}: the same of the first user", cost.anew_with_rules, "µs"),
        ]
    return found


def _in_turns(
    asked: Mapping[str, tuple[_Serving, Ask]], progress: Progress, what: str
) -> Mapping[str, list[Cost]]:
    """Each measured once a turn, in another order each time; the servers that aren't measured are paused."""
    costs: dict[str, list[Cost]] = {name: [] for name in asked}
    names = list(asked)
    for turn in range(TURNS):
        for name in names if turn % 2 == 0 else reversed(names):
            serving, ask = asked[name]
            serving.server.resume()
            costs[name].append(ask())
            serving.server.pause()
        last = ", ".join(
            f"{name} {c[-1].seconds * 1e6:,.0f}/{c[-1].processor * 1e6:,.0f}" for name, c in costs.items()
        )
        progress(f"{what}, microseconds seen/worked: {last}")
    return costs


def _median(costs: Sequence[Cost]) -> float:
    return statistics.median(cost.seconds for cost in costs)


def _slower(what: str, before: Sequence[Cost], after: Sequence[Cost]) -> list[Measure]:
    """How much more the second costs, turn by turn; less than nothing is the mood of the machine."""
    pairs = list(zip(before, after, strict=True))
    seen = 100 * (statistics.median(b.seconds / a.seconds for a, b in pairs) - 1)
    worked = 100 * (statistics.median(b.processor / a.processor for a, b in pairs) - 1)
    target = f"under {MOST:g}"
    return [
        Measure(what, seen, "% more time", target, seen < MOST),
        Measure(f"{what}: processor", worked, "% more time", target, worked < MOST),
    ]


@contextmanager
def _serving(size: Size, url: str, progress: Progress) -> Iterator[_Serving]:
    shared = make_shared(open_dialect(url), size, progress)
    server = Server(_RUNYARD, url, shared.tokens[:1])
    try:
        server.start()
        yield _Serving(server, shared)
    finally:
        server.stop()
