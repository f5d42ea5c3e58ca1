"""How runs grow: searches of every shape, and single runs, among 3 thousand, 100 thousand and 1 million.

Each answer is a page of 100 whole runs, over HTTP. The runs are alike at every size, so a search whose
filter is selective finds more of them among more runs.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from benchmarks import postgres
from benchmarks.load import TimeBox, time_one
from benchmarks.measures import Measure, Progress, Suite
from benchmarks.peers import PEERS, Server
from benchmarks.run_data import SPACING_MS, START_MS, Made, make
from benchmarks.run_searches import SEARCHES, Search
from benchmarks.wire import Address, Client, get, post
from runyard.server.db.database import open_dialect
from runyard.server.db.sorting import token_kind
from runyard.server.kernel.paging import encode_token

SIZES = (3_000, 100_000, 1_000_000)
ON_POSTGRESQL = 100_000
PAGE = 100
WORST_MS = 500
_RUNYARD = next(peer for peer in PEERS if peer.name == "runyard")
_BOX = TimeBox(warmup=0.0, seconds=0.3, samples=5, longest=5.0)

Medians = Mapping[str, float]


def run(progress: Progress) -> Sequence[Measure]:
    """All measures, in about fifteen minutes."""
    found = {size: _on_sqlite(size, progress) for size in SIZES}
    with postgres.running() as server:
        url = server.new_database("runs")
        on_postgresql = _measured(url, ON_POSTGRESQL, progress)
    last = found[SIZES[-1]]
    worst = max(last, key=last.__getitem__)
    measures = [
        Measure(
            f"slowest among {SIZES[-1]:,} runs: {worst}",
            last[worst],
            "ms",
            f"under {WORST_MS}",
            last[worst] < WORST_MS,
        ),
        _grown("newest first", found, most=1.5),
        _grown("get run", found, most=1.5),
    ]
    measures += [_at_all_sizes(name, found) for name in last]
    slowest = max(on_postgresql, key=on_postgresql.__getitem__)
    what = f"PostgreSQL, {ON_POSTGRESQL:,} runs"
    return [
        *measures,
        Measure(f"{what}: median of all", statistics.median(on_postgresql.values()), "ms"),
        Measure(f"{what}: slowest: {slowest}", on_postgresql[slowest], "ms"),
    ]


SUITE = Suite("runs", "Runs: searches and single runs among very many; median ms at one connection", run)


def _on_sqlite(size: int, progress: Progress) -> Medians:
    with tempfile.TemporaryDirectory(prefix="bench-runs-") as folder:
        return _measured(f"sqlite:///{Path(folder) / 'runyard.db'}", size, progress)


def _measured(url: str, size: int, progress: Progress) -> Medians:
    """Median milliseconds by what is asked."""
    made = make(open_dialect(url), size, progress)
    with _running(url) as server:
        found = {"get run": _get_run(server.address, made)}
        for search in SEARCHES:
            found[search.name] = _search(server.address, made, search)
            progress(f"{size:,} runs, {search.name}: {found[search.name]:.2f} ms")
    return found


def _grown(name: str, found: Mapping[int, Medians], most: float) -> Measure:
    few, many = SIZES[0], SIZES[-1]
    times = found[many][name] / found[few][name]
    what = f"{name}: {many:,} runs against {few:,}"
    return Measure(what, times, "times", f"at most {most:g}", times <= most)


def _at_all_sizes(name: str, found: Mapping[int, Medians]) -> Measure:
    *smaller, largest = SIZES
    before = ", ".join(f"{found[size][name]:.1f} among {size:,}" for size in smaller)
    return Measure(f"{name} ({before})", found[largest][name], "ms")


def _search(address: Address, made: Made, search: Search) -> float:
    body: dict[str, Any] = {
        "experiment_ids": [str(i) for i in (made.experiment, *(made.small if search.where == "all" else ()))],
        "filter": search.filter.replace("$recent", str(START_MS + (made.runs - 500) * SPACING_MS)),
        "order_by": list(search.order_by),
        "run_view_type": search.view,
        "max_results": PAGE,
    }
    if search.half:
        middle = made.runs // 2
        position = [START_MS + middle * SPACING_MS, middle]
        body["page_token"] = encode_token(token_kind("runs", ()), position)
    request = post(address, "runs/search", body)
    return time_one(address, lambda: request, _BOX).quantile(0.5) * 1000


def _get_run(address: Address, made: Made) -> float:
    with Client(address) as client:
        body = {"experiment_ids": [str(made.experiment)], "max_results": PAGE}
        runs = json.loads(client.send(post(address, "runs/search", body)))["runs"]
    requests = cycle([get(address, "runs/get", {"run_id": run["info"]["run_id"]}) for run in runs])
    return time_one(address, lambda: next(requests), _BOX).quantile(0.5) * 1000


@contextmanager
def _running(url: str) -> Iterator[Server]:
    server = Server(_RUNYARD, url)
    try:
        server.start()
        yield server
    finally:
        server.stop()
