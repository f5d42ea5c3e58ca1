"""`runyard metrics plot`."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import commands, texts
from runyard.cli.commands import Command
from runyard.cli.exits import Missing
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.metrics import Line

_COLUMNS = tuple(Column(key) for key in ("run_id", "key", "x", "min", "max", "first", "last"))
# A character holds two dots side by side.
_DOTS = 2
_WIDTH, _HEIGHT = 80, 24


@click.command(
    cls=Command,
    examples=(
        "runyard metrics plot 3f2a9c1e --key loss --key val_loss",
        "runyard metrics plot 3f2a9c1e 77aa01bc --key loss --x relative",
    ),
)
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option(
    "--key", "keys", metavar="KEY", multiple=True, required=True, help="A metric; may be given again."
)
@click.option(
    "--x",
    "axis",
    type=click.Choice(["step", "time", "relative"]),
    default="step",
    show_default=True,
    help="The axis: steps, the time, or seconds since a run's first point.",
)
@commands.server
@commands.output
def plot(session: Session, names: tuple[str, ...], keys: tuple[str, ...], axis: str, out: Output) -> None:
    """Draw metrics of runs in the terminal (needs the extra 'plot').

    However many points there are, no spike is lost: each column shows the least and the greatest of its own.
    """
    from runyard.client import metrics, runs

    found = {run.info.run_id: run.info.run_name for run in (runs.find(session.http, name) for name in names)}
    width, height = shutil.get_terminal_size((_WIDTH, _HEIGHT)) if sys.stdout.isatty() else (_WIDTH, _HEIGHT)
    lines = metrics.chart(session.http, list(found), keys, x=axis, buckets=width * _DOTS)
    if not lines:
        raise Missing(f"There is no metric {', '.join(map(repr, keys))}.")
    if out.for_people:
        several = len(found) > 1
        named = [(_label(line, found[line.run_id] if several else ""), line) for line in lines]
        click.echo(_drawn(named, axis, width, height))
    else:
        out.rows([row for line in lines for row in _rows(line)], _COLUMNS)


def points_of(line: Line) -> list[tuple[int, float]]:
    """What is drawn of a line: of a bucket its first, least, greatest and last value, one over the other."""
    columns = [line.value] if line.exact else [line.first, line.min, line.max, line.last]
    return [
        (x, value)
        for i, x in enumerate(line.x)
        for column in columns
        if column is not None and (value := column[i]) is not None and isfinite(value)
    ]


def _drawn(lines: Sequence[tuple[str, Line]], axis: str, width: int, height: int) -> str:
    try:
        import plotille
    except ImportError:
        raise click.UsageError("Plots need an extra: pip install 'runyard[plot]'.") from None
    figure = plotille.Figure()
    # Beside the dots there are the axis and its numbers; below them the axis and the legend.
    figure.width, figure.height = max(20, width - 28), max(5, height - len(lines) - 9)
    figure.with_colors = sys.stdout.isatty()
    figure.origin = False
    figure.x_label = {"step": "step", "time": "time", "relative": "seconds"}[axis]
    figure.y_label = "value"
    for label, line in lines:
        points = points_of(line)
        if points:
            xs, ys = zip(*points, strict=True)
            figure.plot([_x(x, axis) for x in xs], ys, label=label)
    drawn: str = figure.show(legend=True)
    return drawn


def _x(x: int, axis: str) -> Any:
    if axis == "time":
        return datetime.fromtimestamp(x / 1000, UTC).astimezone().replace(tzinfo=None)
    return x / 1000 if axis == "relative" else x


def _label(line: Line, run_name: str) -> str:
    return texts.safe(f"{line.key}  {run_name} {line.run_id[:8]}" if run_name else line.key)


def _rows(line: Line) -> list[dict[str, Any]]:
    """A line as rows; of a single point all values are the same."""
    names = ("min", "max", "first", "last")
    columns = {name: line.value if line.exact else getattr(line, name) for name in names}
    return [
        {
            "run_id": line.run_id,
            "key": line.key,
            "x": x,
            **{name: None if column is None else column[i] for name, column in columns.items()},
        }
        for i, x in enumerate(line.x)
    ]
