"""`runyard run watch`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import commands, exits, texts
from runyard.cli.commands import Command
from runyard.cli.output import Column, Output
from runyard.cli.session import Session
from runyard.client.errors import Unavailable, Unreachable

if TYPE_CHECKING:
    from rich.live import Live

    from runyard.client.runs import Run

# So long a server may be away before watching ends.
PATIENCE_SECONDS = 300.0

_CSV = (
    Column("time", "time"),
    Column("kind"),
    Column("key"),
    Column("value"),
    Column("step"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """Something new about a run: its status, or a metric's last point; times are milliseconds."""

    time: int
    kind: str
    key: str
    value: str | float
    step: int | None = None


@click.command(
    cls=Command,
    examples=(
        "runyard run watch 3f2a9c1e",
        "runyard run watch 3f2a9c1e --exit-status && ./deploy.sh",
        "runyard run watch 3f2a9c1e -o json | jq -c 'select(.key == \"loss\")'",
    ),
)
@click.argument("name", metavar="RUN")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--exit-status", is_flag=True, help="End with code 1 if the run didn't finish well.")
@commands.server
@commands.output
def watch(session: Session, name: str, interval: float, exit_status: bool, out: Output) -> None:
    """Watch a run's status and metrics until it ends.

    On a terminal the view stays in place; elsewhere every change is a line, with --output json an object.
    Ctrl+C ends the watching, not the run.
    """
    from runyard.client import runs

    first = runs.find(session.http, name)
    run_id, status = first.info.run_id, first.info.status
    show: _Live | _Lines = _Live() if out.for_people and sys.stdout.isatty() else _Lines(out)
    try:
        with show as shown:
            for run in _looks(lambda: runs.get(session.http, run_id), first, interval, shown.lost):
                shown.show(run)
                status = run.info.status
    except KeyboardInterrupt:
        out.note("Stopped watching; the run goes on.")
        raise click.exceptions.Exit(exits.INTERRUPTED) from None
    if exit_status and status != "FINISHED":
        raise click.exceptions.Exit(exits.REFUSED)


def changes(before: Run | None, now: Run) -> list[Change]:
    """What is new."""
    found = []
    if before is None or before.info.status != now.info.status:
        found.append(Change(int(time.time() * 1000), "status", "status", now.info.status))
    known = {} if before is None else {metric.key: metric for metric in before.data.metrics}
    for metric in now.data.metrics:
        old = known.get(metric.key)
        # As texts: NaN isn't equal to itself.
        if old is None or (repr(old.value), old.step) != (repr(metric.value), metric.step):
            found.append(Change(metric.timestamp, "metric", metric.key, metric.value, metric.step))
    return found


def _looks(
    look: Callable[[], Run], first: Run, interval: float, lost: Callable[[str], None]
) -> Iterator[Run]:
    """The run now, and again after every interval, until it has ended."""
    from runyard.client.runs import ENDED

    run, last_answer = first, time.monotonic()
    yield run
    while run.info.status not in ENDED and run.info.lifecycle_stage != "deleted":
        time.sleep(interval)
        try:
            run = look()
        except (Unreachable, Unavailable) as error:
            if time.monotonic() - last_answer > PATIENCE_SECONDS:
                raise
            lost(error.message)
            continue
        last_answer = time.monotonic()
        yield run


class _Lines:
    """A line for every change."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._before: Run | None = None
        self._lost = False

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, run: Run) -> None:
        """Write what is new."""
        new = changes(self._before, run)
        first = self._before is None
        self._before, self._lost = run, False
        if self._out.form == "csv":
            self._out.csv(map(asdict, new), _CSV, head=first)
        elif self._out.form == "json":
            for change in new:
                self._out.json(asdict(change), indent=None)
        else:
            for change in new:
                click.echo(_line(change))

    def lost(self, message: str) -> None:
        """Say once that the server is away."""
        if not self._lost:
            self._lost = True
            self._out.note(f"{message} Trying again.")


class _Live:
    """One view, redrawn in place."""

    def __init__(self) -> None:
        self._live: Live | None = None
        self._before: Run | None = None

    def __enter__(self) -> _Live:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(highlight=False), auto_refresh=False, vertical_overflow="ellipsis")
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def show(self, run: Run) -> None:
        """Draw it anew."""
        self._draw(run, "")
        self._before = run

    def lost(self, message: str) -> None:
        """Say that the server is away."""
        if self._before is not None:
            self._draw(self._before, f"{message} Trying again.")

    def _draw(self, run: Run, notice: str) -> None:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        info = run.info
        end = info.end_time if info.end_time is not None else time.time() * 1000
        lasted = texts.duration(max(0, end - info.start_time))
        head = f"{info.run_name}  {info.run_id}  {info.status}  {lasted}"
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("metric")
        for name in ("value", "step"):
            table.add_column(name, justify="right")
        table.add_column("logged")
        for metric in run.data.metrics:
            table.add_row(
                Text(texts.safe(metric.key)),
                Text(texts.number(metric.value)),
                str(metric.step),
                texts.time(metric.timestamp),
            )
        parts = [Text(texts.safe(head), style="bold"), table if run.data.metrics else Text("No metrics yet.")]
        if notice:
            parts.append(Text(texts.safe(notice)))
        if self._live is not None:
            self._live.update(Group(*parts), refresh=True)


def _line(change: Change) -> str:
    step = "" if change.step is None else f"  step {change.step}"
    return f"{texts.time(change.time)}  {texts.safe(change.key)}  {texts.plain(change.value)}{step}"
