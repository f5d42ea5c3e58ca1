"""`runyard metrics`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import commands
from runyard.cli.commands import Group
from runyard.cli.exits import Missing
from runyard.cli.metrics_export import export
from runyard.cli.metrics_plot import plot
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.metrics import Point

_SUMMARIES = ("last", "last_step", "min", "argmin", "max", "argmax", "mean", "count")
_COLUMNS = (
    Column("key", whole=True),
    Column("last", "number"),
    Column("last_step", "number", "step"),
    Column("min", "number"),
    Column("argmin", "number", "at step"),
    Column("max", "number"),
    Column("argmax", "number", "at step"),
    Column("mean", "number"),
    Column("count", "number", "points"),
)
_POINTS = (Column("step", "number"), Column("value", "number"), Column("timestamp", "time", "logged"))


@click.group(cls=Group)
def metrics() -> None:
    """Metrics of runs: values, histories, exports, plots.

    RUN is a run's id, or the beginning of it: six characters or more.
    """


metrics.add_command(export)
metrics.add_command(plot)


@metrics.command(examples=("runyard metrics show 3f2a9c1e", "runyard metrics show 3f2a9c1e loss val_loss"))
@click.argument("name", metavar="RUN")
@click.argument("keys", metavar="[KEY...]", nargs=-1)
@commands.server
@commands.output
def show(session: Session, name: str, keys: tuple[str, ...], out: Output) -> None:
    """Show what a run's metrics come to.

    Their last, least, greatest and mean values. NaN is left out of all but the last value.
    """
    from runyard.client import runs

    run = runs.find(session.http, name)
    last = {metric.key: metric.value for metric in run.data.metrics}
    unknown = sorted(set(keys) - set(last))
    if unknown:
        raise Missing(f"The run has no metric {', '.join(map(repr, unknown))}.")
    shown = [key for key in last if not keys or key in keys]
    columns = [runs.Column("metric", key, summary) for key in shown for summary in _SUMMARIES]
    cells: list[Any] = []
    # A table has at most 500 columns.
    for start in range(0, len(columns), 400):
        rows, _ = runs.table(
            session.http,
            [run.info.experiment_id],
            columns[start : start + 400],
            filter_text=f"run_id = '{run.info.run_id}'",
            view="all",
            limit=1,
        )
        cells += rows[0][1:]
    items = []
    for i, key in enumerate(shown):
        values = dict(zip(_SUMMARIES, cells[i * len(_SUMMARIES) :], strict=False))
        items.append({"key": key, **values, "last": last[key]})
    out.rows(items, _COLUMNS, empty="The run has no metrics.")


@metrics.command(
    examples=(
        "runyard metrics history 3f2a9c1e loss --limit 20",
        "runyard metrics history 3f2a9c1e loss -n 0 -o csv",
    )
)
@click.argument("name", metavar="RUN")
@click.argument("key")
@commands.limit
@commands.server
@commands.output
def history(session: Session, name: str, key: str, limit: int, out: Output) -> None:
    """List a metric's points, the latest last; of many only the latest."""
    from runyard.client import metrics as client
    from runyard.client import runs

    run = runs.find(session.http, name)
    if key not in {metric.key for metric in run.data.metrics}:
        raise Missing(f"The run has no metric {key!r}.")
    latest: deque[Point] = deque(maxlen=limit or None)
    count = 0
    for points in client.history(session.http, run.info.run_id, key):
        latest.extend(points)
        count += len(points)
    items = [{"step": p.step, "value": p.value, "timestamp": p.timestamp} for p in latest]
    out.rows(items, _POINTS, more=len(items) < count)
