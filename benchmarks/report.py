"""Turns tables and measures into Markdown for people and JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.compare import DISTURBANCE, DISTURBED, Failure, Table
from benchmarks.suites import Measure, Suite
from benchmarks.workloads import Figure, Row, Target

OURS = "runyard"
_MET = {True: "✓", False: "✗", None: "–"}


@dataclass(frozen=True)
class Report:
    """All that one run of the benchmark found, in `seconds`."""

    tables: tuple[Table, ...]
    growth: tuple[tuple[Suite, tuple[Measure, ...]], ...]
    seconds: float

    def failed(self) -> bool:
        """Whether a server has no figure in some row (a missed target is no failure)."""
        return any(isinstance(cell, Failure) for table in self.tables for cell in table.cells.values())


def write(report: Report, folder: Path) -> None:
    """Writes `latest.md` and `latest.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "latest.md").write_text(markdown(report))
    (folder / "latest.json").write_text(json.dumps(_as_json(report), indent=1) + "\n")


def markdown(report: Report) -> str:
    """The report as Markdown: a table each, what failed below it, then the growth figures."""
    lines = ["# Benchmark", "", _machine_line(), ""]
    for table in report.tables:
        lines += [f"## {table.title}", "", *_table_lines(table), "", *_note_lines(table)]
    for suite, measures in report.growth:
        lines += [f"## {suite.title}", "", *_measure_lines(measures), ""]
    verdicts = [verdict(table, row) for table in report.tables if table.judged for row in table.rows]
    judged = [met for met in verdicts if met is not None]
    judged += [
        measure.met for _, measures in report.growth for measure in measures if measure.met is not None
    ]
    lines += [f"{sum(judged)} of {len(judged)} targets met; {report.seconds / 60:.1f} minutes.", ""]
    return "\n".join(lines)


def ratio(table: Table, row: Row, peer_name: str) -> float | None:
    """How many times better Runyard is than a peer in a row; None where one has no figure."""
    ours, theirs = table.figure(row, OURS), table.figure(row, peer_name)
    if ours is None or theirs is None or not ours.value or not theirs.value:
        return None
    return ours.value / theirs.value if row.more_is_better else theirs.value / ours.value


def verdict(table: Table, row: Row) -> bool | None:
    """Whether Runyard reaches every target of a row; None where there is nothing to judge."""
    ours = table.figure(row, OURS)
    if ours is None or not table.judged:
        return None
    reached = [] if row.limit is None else [ours.value < row.limit]
    for peer_name, target in row.targets.items():
        times = ratio(table, row, peer_name)
        if times is not None:
            reached.append(times >= target.least)
    return all(reached) if reached else None


def _table_lines(table: Table) -> list[str]:
    others = [peer for peer in table.peers if peer.name != OURS]
    header = ["work", *(peer.title for peer in table.peers), *(f"against {peer.title}" for peer in others)]
    if table.judged:
        header.append("")
    lines = [_line(header), _line(["---"] + ["---:"] * (len(header) - 1))]
    for row in table.rows:
        cells = [row.title + (f" (under {row.limit:g} {row.unit})" if table.judged and row.limit else "")]
        cells += [_cell(row, table.cells.get((row.name, peer.name))) for peer in table.peers]
        for peer in others:
            target = row.targets.get(peer.name) if table.judged else None
            cells.append(_ratio_cell(ratio(table, row, peer.name), target))
        if table.judged:
            cells.append(_MET[verdict(table, row)])
        lines.append(_line(cells))
    return lines


def _cell(row: Row, cell: Figure | Failure | None) -> str:
    if cell is None:
        return ""
    if isinstance(cell, Failure):
        return "failed"
    digits = 0 if cell.value >= 100 else 1 if cell.value >= 10 else 2
    text = f"{cell.value:,.{digits}f} {row.unit.replace('requests/s', '/s')}"
    return f"{text} ({cell.failures:,} failed)" if cell.failures else text


def _ratio_cell(times: float | None, target: Target | None) -> str:
    text = "" if times is None else f"{times:,.0f}x" if times >= 10 else f"{times:.2g}x"
    if target is None:
        return text
    aim = f", aim {target.aim:g}x" if target.aim else ""
    return f"{text} (at least {target.least:g}x{aim})".strip()


def _note_lines(table: Table) -> list[str]:
    lines = []
    for (row_name, peer_name), cell in table.cells.items():
        reason = cell.reason if isinstance(cell, Failure) else cell.first_failure
        if reason:
            lines.append(f"- {row_name}, {peer_name}: {' '.join(reason.split())[:500]}")
    disturbed = [
        cell.detail.get(DISTURBANCE, 0.0) for cell in table.cells.values() if isinstance(cell, Figure)
    ]
    if (most := max(disturbed, default=0.0)) >= DISTURBED:
        count = sum(others >= DISTURBED for others in disturbed)
        lines.append(
            f"- **Not a quiet machine:** other programs used (in {count} figures) up to {most:.1f} cores."
        )
    return [*lines, ""] if lines else []


def _measure_lines(measures: Sequence[Measure]) -> list[str]:
    lines = [_line(["what", "measured", "target", ""]), _line(["---", "---:", "---", "---"])]
    for measure in measures:
        figure = (
            f"{measure.value:,.4g} {measure.unit}"
            if measure.value < 1e4
            else f"{measure.value:,.0f} {measure.unit}"
        )
        lines.append(_line([measure.what, figure, measure.target, _MET[measure.met]]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _machine() -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _machine_line() -> str:
    machine = _machine()
    return (
        f"{machine['time']}; {machine['processor']}, {machine['cores']} cores shared by server and load "
        f"generator, {machine['memory_gb']} GB; {machine['system']}; Python {machine['python']}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "machine": _machine(),
        "seconds": round(report.seconds, 1),
        "tables": [
            {"title": table.title, "rows": [_row_as_json(table, row) for row in table.rows]}
            for table in report.tables
        ],
        "growth": [
            {"suite": suite.name, "measures": [asdict(measure) for measure in measures]}
            for suite, measures in report.growth
        ],
    }


def _row_as_json(table: Table, row: Row) -> dict[str, Any]:
    cells = {peer.name: table.cells.get((row.name, peer.name)) for peer in table.peers}
    return {
        "name": row.name,
        "unit": row.unit,
        "figures": {name: asdict(cell) for name, cell in cells.items() if cell is not None},
        "ratios": {peer.name: ratio(table, row, peer.name) for peer in table.peers if peer.name != OURS},
        "targets": {name: asdict(target) for name, target in row.targets.items()} if table.judged else {},
        "limit": row.limit if table.judged else None,
        "met": verdict(table, row),
    }
