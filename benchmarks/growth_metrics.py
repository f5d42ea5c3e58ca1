"""How metrics grow: bytes on disk a point, charts of very much, and ingest when much is stored.

Ingest is measured in turns on an empty server and on the full one, the other one paused, so that both
meet the same moods of the machine.
"""

from __future__ import annotations

import json
import random
import sqlite3
import statistics
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from benchmarks.dataset import new_experiment, new_runs
from benchmarks.load import Load, Source, TimeBox, drive, time_one
from benchmarks.measures import Measure, Progress, Suite
from benchmarks.metric_data import log_series, write_long_series, write_series
from benchmarks.payloads import BATCH_KEYS, BATCH_STEPS, batch_source
from benchmarks.peers import PEERS, Server
from benchmarks.wire import Address, Client, head

LONG = 10_000_000
LONG_KEY = "long"
RUNS, KEYS, LENGTH = 100, tuple(f"chart_{i:02d}" for i in range(12)), 100_000
BUCKETS = 1_000
ZOOMS = (3_000_000, 300_000, 30_000, 3_000, 300)
WRITERS = 8
TURNS, TURN_SECONDS = 3, 8.0
_RUNYARD = next(peer for peer in PEERS if peer.name == "runyard")
_ONE = TimeBox(warmup=0.0, seconds=1.0, samples=15, longest=20.0)
_MANY = TimeBox(warmup=0.0, seconds=3.0, samples=5, longest=30.0)
# A scope's backlog is folded at 262,144 points while it grows fast; half as much may come meanwhile.
_MOST_WAITING = WRITERS * 262_144 * 1.5


@dataclass(frozen=True)
class _Stored:
    """A database with the long series and the many, and how many points they have."""

    url: str
    long_run: str
    run_ids: tuple[str, ...]
    points: int


def run(progress: Progress) -> Sequence[Measure]:
    """All measures, in about eight minutes."""
    measures = [
        *_disk(10_000, runs=8, keys=25, most=12, progress=progress),
        *_disk(100, runs=200, keys=50, most=40, progress=progress),
    ]
    with tempfile.TemporaryDirectory(prefix="bench-metrics-") as folder:
        stored = _fill(Path(folder) / "runyard.db", progress)
        with _running(stored.url) as full, _running() as empty:
            empty.pause()
            measures += _charts(full.address, stored, progress)
            measures += _ingest(empty, full, stored.points, progress)
    return measures


SUITE = Suite("metrics", "Metrics: on disk, in charts, and ingest on top of many", run)


def _disk(length: int, *, runs: int, keys: int, most: float, progress: Progress) -> list[Measure]:
    """Bytes a point of a database with nothing but these series, logged and folded."""
    points = runs * keys * length
    with tempfile.TemporaryDirectory(prefix="bench-disk-") as folder:
        file = Path(folder) / "runyard.db"
        log_series(file, runs=runs, keys=keys, length=length)
        size = file.stat().st_size
        connection = sqlite3.connect(file)
        page, pages, unused = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        connection.execute("VACUUM")
        connection.close()
        vacuumed = file.stat().st_size
    progress(f"{points:,} points in series of {length:,}: {size:,} bytes, vacuumed {vacuumed:,}")
    what, target = f"disk: series of {length:,} points", f"at most {most:g}"
    live = page * (pages - unused) / points
    return [
        Measure(f"{what}, the whole file without unused pages", live, "bytes/point", target, live <= most),
        Measure(f"{what}, the file as compaction left it", size / points, "bytes/point"),
        Measure(f"{what}, the file after VACUUM", vacuumed / points, "bytes/point"),
    ]


def _fill(file: Path, progress: Progress) -> _Stored:
    """Runs come through the server, which also makes the schema; their points don't."""
    url = f"sqlite:///{file}"
    with _running(url) as server:
        long_run, *run_ids = new_runs(server.address, new_experiment(server.address, "charts"), 1 + RUNS)
    points = write_long_series(file, long_run, LONG_KEY, LONG)
    progress(f"a series of {points:,} points written")
    points += write_series(file, run_ids, KEYS, LENGTH)
    progress(f"{points:,} points written, {file.stat().st_size / 1e9:.2f} GB")
    return _Stored(url, long_run, tuple(run_ids), points)


def _charts(address: Address, stored: _Stored, progress: Progress) -> list[Measure]:
    long = {"run_ids": [stored.long_run], "keys": [LONG_KEY], "buckets": BUCKETS}
    rng = random.Random(7)
    views = {"overview": [long], "overview over time": [long | {"x": "relative"}]}
    for width in ZOOMS:
        starts = [rng.randrange(LONG - width) for _ in range(15)]
        views[f"zoom to {width:,} steps"] = [long | {"x_min": at, "x_max": at + width} for at in starts]
    found = []
    for name, bodies in views.items():
        load = time_one(address, _chart_source(address, bodies), _ONE)
        progress(f"chart, {name}: {_spread(load)}")
        found.append(_latency(f"chart of one series of {LONG:,} points, {name}", load, 100))
    many = {"run_ids": list(stored.run_ids), "keys": list(KEYS)}
    for buckets in (400, BUCKETS):
        _check_lines(address, many | {"buckets": buckets})
        load = time_one(address, _chart_source(address, [many | {"buckets": buckets}]), _MANY)
        progress(f"chart of many, {buckets} buckets: {_spread(load)}")
        what = f"chart of {RUNS} runs x {len(KEYS)} keys x {LENGTH:,} points, {buckets} buckets"
        found.append(_latency(what, load, 1_500))
    return found


def _latency(what: str, load: Load, limit: float) -> Measure:
    median = load.quantile(0.5) * 1000
    return Measure(f"{what}, median", median, "ms", f"under {limit:g}", median < limit)


def _spread(load: Load) -> str:
    low, middle, high = (load.quantile(q) * 1000 for q in (0.0, 0.5, 1.0))
    return f"median {middle:.1f} ms, {low:.1f} to {high:.1f}, {load.requests} requests"


def _chart_request(address: Address, body: object) -> bytes:
    content = json.dumps(body).encode()
    return head(address, "POST", "/api/runyard/1/metrics/chart", len(content)) + content


def _chart_source(address: Address, bodies: Sequence[object]) -> Source:
    requests = cycle([_chart_request(address, body) for body in bodies])
    return lambda: next(requests)


def _check_lines(address: Address, body: object) -> None:
    """Every line is there and counts all of its points' range."""
    with Client(address) as client:
        lines = json.loads(client.send(_chart_request(address, body)))["lines"]
    assert len(lines) == RUNS * len(KEYS), len(lines)
    assert all(100 <= len(line["x"]) <= BUCKETS and line["x"][0] == 0 for line in lines)


def _ingest(empty: Server, full: Server, stored: int, progress: Progress) -> list[Measure]:
    """`log-batch` on both, in turns; what waits for the compactor is looked at all the time."""
    box = TimeBox(warmup=1.0, seconds=TURN_SECONDS, samples=1)
    rates: dict[Server, list[float]] = {empty: [], full: []}
    waited: dict[Server, int] = {empty: 0, full: 0}
    sources = {}
    for server in rates:
        server.resume()
        run_ids = new_runs(server.address, new_experiment(server.address, "log-batch"), WRITERS)
        sources[server] = [batch_source(server.address, run_id) for run_id in run_ids]
        server.pause()
    for _ in range(TURNS):
        for server, found in rates.items():
            server.resume()
            with _watched(server.address) as seen:
                found.append(drive(server.address, sources[server], box).rate)
            waited[server] = max(waited[server], *seen)
            server.pause()
            progress(f"log-batch on {_name(server is full, stored)}: {found[-1]:,.0f} requests/s")
    before, after = statistics.median(rates[empty]), statistics.median(rates[full])
    share = 100 * after / before
    full.resume()
    logged = _counter(full.address, "runyard_metric_points_folded_total")
    return [
        Measure(f"log-batch on {_name(False, stored)}", before, "requests/s"),
        Measure(f"log-batch on {_name(True, stored)}", after, "requests/s"),
        Measure("the second of the first", share, "%", "at least 80", share >= 80),
        Measure("points folded on the full server meanwhile", logged, "points"),
        Measure(
            f"most points that waited for compaction, {WRITERS} runs",
            waited[full],
            "points",
            f"at most {_MOST_WAITING:,.0f}",
            waited[full] <= _MOST_WAITING,
        ),
    ]


def _name(full: bool, stored: int) -> str:
    points = BATCH_KEYS * BATCH_STEPS
    return f"{stored / 1e6:,.0f} million points" if full else f"an empty server ({points:,} points a request)"


@contextmanager
def _watched(address: Address) -> Iterator[list[int]]:
    """What waits for compaction, seen twice a second until the block ends."""
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            seen.append(int(_counter(address, "runyard_metric_backlog_points")))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _counter(address: Address, name: str) -> float:
    with Client(address) as client:
        text = client.send(head(address, "GET", "/metrics", 0)).decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


@contextmanager
def _running(database: str = "") -> Iterator[Server]:
    server = Server(_RUNYARD, database)
    try:
        server.start()
        yield server
    finally:
        server.stop()
