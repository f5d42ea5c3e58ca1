"""`python -m benchmarks`: Runyard beside `mlflow server` and FastTrackML, as one Markdown table."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks import postgres
from benchmarks.compare import Plan, Table, compare
from benchmarks.load import TimeBox
from benchmarks.peers import PEERS, Peer
from benchmarks.report import Report, markdown, write
from benchmarks.suites import SUITES, Measure, Progress, Suite
from benchmarks.workloads import ROWS, Row

_Named = TypeVar("_Named", Peer, Row, Suite)

RESULTS = Path(__file__).resolve().parent / "results"
_QUICK = TimeBox(warmup=0.5, seconds=2.0, samples=5, longest=10.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what the arguments choose; 1 if a server failed in some row."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that servers are stopped
    begin = time.perf_counter()

    def progress(text: str) -> None:
        print(f"[{time.perf_counter() - begin:7.1f} s] {text}", flush=True)

    peers = _chosen(options.peers, PEERS)
    rows = _chosen(options.only, ROWS)
    suites = _chosen(options.suites, SUITES) if options.full or options.suites else ()
    box = _QUICK if options.quick else TimeBox()
    tables: list[Table] = []
    if not options.suites:
        _install(peers, progress)
        tables.append(compare(Plan("SQLite", peers, rows, box), progress))
    if options.full and not options.suites:
        tables.append(_on_postgresql(peers, rows, box, progress))
    growth = [_grow(suite, progress) for suite in suites]
    report = Report(tuple(tables), tuple(growth), time.perf_counter() - begin)
    write(report, RESULTS)
    print("\n" + markdown(report))
    return 1 if report.failed() else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="add the PostgreSQL table and the growth suites")
    parser.add_argument("--quick", action="store_true", help="2 seconds a row: to see that it works")
    parser.add_argument("--peers", default="", help=f"some of {_names(PEERS)}, comma-separated")
    parser.add_argument("--only", default="", metavar="ROW", help=f"some of {_names(ROWS)}, comma-separated")
    parser.add_argument(
        "--suites",
        default="",
        metavar="SUITE",
        help=f"no table, but some of {_names(SUITES)}, comma-separated",
    )
    return parser


def _names(known: Sequence[Peer] | Sequence[Row] | Sequence[Suite]) -> str:
    return ", ".join(item.name for item in known)


def _chosen(text: str, known: tuple[_Named, ...]) -> tuple[_Named, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in {item.name for item in known}]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are {_names(known)}")
    return tuple(item for item in known if not names or item.name in names)


def _install(peers: Sequence[Peer], progress: Progress) -> None:
    for peer in peers:
        if peer.environment is not None and not peer.environment.ready():
            progress(f"installing {peer.title}")
            peer.environment.install()


def _on_postgresql(peers: tuple[Peer, ...], rows: tuple[Row, ...], box: TimeBox, progress: Progress) -> Table:
    with postgres.running() as server:
        plan = Plan(
            "PostgreSQL (memory without PostgreSQL's own)",
            peers,
            rows,
            box,
            judged=False,
            database=lambda peer: server.new_database(peer.name),
        )
        return compare(plan, progress)


def _grow(suite: Suite, progress: Progress) -> tuple[Suite, tuple[Measure, ...]]:
    progress(f"{suite.name} begins")
    measures = tuple(suite.run(progress))
    for measure in measures:
        progress(f"{suite.name}: {measure.what}: {measure.value:,.4g} {measure.unit}")
    return suite, measures


if __name__ == "__main__":
    sys.exit(main())
