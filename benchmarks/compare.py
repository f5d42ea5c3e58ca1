"""Runs the rows on every server and collects one table.

All servers run at the same time, each with its own data, and all but the one being measured are paused;
so the rows are interleaved: each row is measured on one server right after the other.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import psutil

from benchmarks.dataset import RUNS, SERIES_POINTS, Dataset, load
from benchmarks.load import TimeBox
from benchmarks.peers import Memory, Peer, Server, StartError
from benchmarks.suites import Progress
from benchmarks.wire import ProtocolError, UnexpectedAnswerError
from benchmarks.workloads import (
    MEMORY_IDLE,
    MEMORY_LOADED,
    START,
    Figure,
    Row,
    Subject,
    WrongAnswerError,
)

_STARTS = 3
_SETTLE = 5.0  # until the idle memory is read: workers import for a while after the first answer
_EXPECTED = (UnexpectedAnswerError, WrongAnswerError, ProtocolError, StartError, OSError)


DISTURBANCE = "cores_used_by_others"
DISTURBED = 0.2  # from here on a figure says more about the other programs


@dataclass(frozen=True)
class Failure:
    """Why a server has no figure in a row."""

    reason: str


@dataclass
class Table:
    """Figures by row name and peer name. Without `judged` the rows' targets don't apply."""

    title: str
    peers: tuple[Peer, ...]
    rows: tuple[Row, ...]
    judged: bool
    cells: dict[tuple[str, str], Figure | Failure] = field(default_factory=dict)

    def figure(self, row: Row, peer_name: str) -> Figure | None:
        """The figure of a server in a row, if it has one."""
        cell = self.cells.get((row.name, peer_name))
        return cell if isinstance(cell, Figure) else None


@dataclass(frozen=True)
class Plan:
    """What to compare. `database` gives the database URL for a fresh start of a peer, or "" for SQLite."""

    title: str
    peers: tuple[Peer, ...]
    rows: tuple[Row, ...]
    box: TimeBox
    judged: bool = True
    database: Callable[[Peer], str] = lambda peer: ""


def compare(plan: Plan, progress: Progress) -> Table:
    """Measures every row of the plan on every peer. A failure of one costs its cells, not the table."""
    return _Comparison(plan, progress).run()


@dataclass(frozen=True)
class _Usage:
    """Processor seconds: of the whole machine, and of the server and this process together."""

    clock: float
    busy: float
    ours: float

    @staticmethod
    def now(server: Server) -> _Usage:
        times = psutil.cpu_times()
        # Linux counts guests in user already, and waiting for the disk as idle.
        busy = sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0)
        return _Usage(time.perf_counter(), busy, server.processor_seconds() + time.process_time())

    def disturbance(self, before: _Usage) -> float:
        """How many cores other programs have used since then."""
        others = (self.busy - before.busy) - (self.ours - before.ours)
        return round(max(others, 0.0) / (self.clock - before.clock), 2)


class _Comparison:
    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self._table = Table(plan.title, plan.peers, plan.rows, plan.judged)
        self._servers: dict[str, Server] = {}
        self._datasets: dict[str, Dataset] = {}

    def run(self) -> Table:
        try:
            self._start_all()
            self._load_all()
            # Reads first: then every server reads from the same data, not from what its speed has stored.
            for row in sorted(self._plan.rows, key=lambda row: not row.reads):
                for peer in self._running():
                    self._measure(row, peer)
            self._weigh(MEMORY_LOADED)
        finally:
            for server in self._servers.values():
                server.stop()
        return self._table

    def _has(self, row: Row) -> bool:
        return row in self._plan.rows

    def _running(self) -> Sequence[Peer]:
        return [peer for peer in self._plan.peers if peer.name in self._servers]

    def _start_all(self) -> None:
        seconds: dict[str, list[float]] = {peer.name: [] for peer in self._plan.peers}
        rounds = _STARTS if self._has(START) else 1
        for number in range(1, rounds + 1):
            for peer in self._plan.peers:
                if number > 1 and peer.name not in self._servers:
                    continue
                if number > 1:
                    self._servers.pop(peer.name).stop()
                self._start(peer, seconds[peer.name])
        for peer in self._running():
            taken = seconds[peer.name]
            if self._has(START):
                self._keep(START, peer, Figure(statistics.median(taken), len(taken)))
        self._weigh(MEMORY_IDLE)

    def _start(self, peer: Peer, seconds: list[float]) -> None:
        server = Server(peer, self._plan.database(peer))
        try:
            server.start()
        except StartError as error:
            server.stop()
            for row in self._plan.rows:
                self._table.cells[row.name, peer.name] = Failure(str(error))
            self._progress(f"{peer.title} did not start: {error}")
            return
        except BaseException:
            server.stop()
            raise
        self._servers[peer.name] = server
        seconds.append(server.start_seconds)
        self._progress(f"{peer.title} answered {server.start_seconds:.2f} s after its start")
        if not self._has(MEMORY_IDLE):
            server.pause()

    def _weigh(self, row: Row) -> None:
        if not self._has(row) or not self._servers:
            return
        for server in self._servers.values():
            server.resume()
        time.sleep(_SETTLE)
        for peer in self._running():
            memory = self._servers[peer.name].memory()
            self._keep(row, peer, Figure(memory.megabytes, detail=_memory_detail(memory)))
            self._servers[peer.name].pause()

    def _load_all(self) -> None:
        if not any(row.reads for row in self._plan.rows):
            return
        for peer in self._running():
            server = self._servers[peer.name]
            server.resume()
            begin = time.perf_counter()
            try:
                dataset = load(server.address)
            except _EXPECTED as error:
                for row in self._plan.rows:
                    if row.reads:
                        self._table.cells[row.name, peer.name] = Failure(f"loading the runs: {error}")
                self._progress(f"{peer.title}: loading the runs failed: {error}")
                continue
            finally:
                server.pause()
            self._datasets[peer.name] = dataset
            self._progress(
                f"{peer.title}: {RUNS:,} runs and a series of {SERIES_POINTS:,} points stored in "
                f"{time.perf_counter() - begin:.1f} s, {dataset.failures} requests repeated"
            )

    def _measure(self, row: Row, peer: Peer) -> None:
        if row.measure is None or (row.name, peer.name) in self._table.cells:
            return
        server = self._servers[peer.name]
        server.resume()
        try:
            subject = Subject(server.address, self._datasets.get(peer.name))
            before = _Usage.now(server)
            figure = row.measure(subject, self._plan.box)
            disturbance = _Usage.now(server).disturbance(before)
            self._keep(row, peer, replace(figure, detail={**figure.detail, DISTURBANCE: disturbance}))
        except _EXPECTED as error:
            self._table.cells[row.name, peer.name] = Failure(f"{type(error).__name__}: {error}")
            self._progress(f"{row.name}: {peer.title} failed: {error}")
            self._progress(f"the end of its log:\n{server.log()}")
        finally:
            server.pause()

    def _keep(self, row: Row, peer: Peer, figure: Figure) -> None:
        self._table.cells[row.name, peer.name] = figure
        failures = f", {figure.failures} failed ({figure.first_failure})" if figure.failures else ""
        others = figure.detail.get(DISTURBANCE, 0.0)
        disturbed = f"; others used {others:.1f} cores" if others >= DISTURBED else ""
        self._progress(f"{row.name}: {peer.title} {figure.value:,.3f} {row.unit}{failures}{disturbed}")


def _memory_detail(memory: Memory) -> dict[str, float]:
    return {"resident_mb": round(memory.resident, 1), "processes": memory.processes}
