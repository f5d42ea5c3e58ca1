"""`runyard metrics export`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeAlias

import click

from runyard.cli import commands, files, texts
from runyard.cli.commands import Command
from runyard.cli.exits import Missing
from runyard.cli.output import Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.metrics import Point

HEAD = ("run_id", "key", "step", "timestamp", "value")

# Points of a Parquet file that are compressed together.
GROUP = 100_000

# Takes points of a run's metric.
Sink: TypeAlias = "Callable[[str, str, list[Point]], None]"


@click.command(
    cls=Command,
    examples=(
        "runyard metrics export 3f2a9c1e --to metrics.csv",
        "runyard metrics export 3f2a9c1e 77aa01bc --key loss --to losses.parquet",
        "runyard metrics export 3f2a9c1e --to - | head",
    ),
)
@click.argument("names", metavar="RUN...", nargs=-1, required=True)
@click.option("--key", "keys", metavar="KEY", multiple=True, help="Only this metric; may be given again.")
@click.option(
    "--to",
    "target",
    required=True,
    metavar="FILE",
    help="FILE.csv or FILE.parquet (needs the extra 'parquet'); - writes CSV to standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there already.")
@commands.server
@commands.output
def export(
    session: Session, names: tuple[str, ...], keys: tuple[str, ...], target: str, force: bool, out: Output
) -> None:
    """Write every point of runs' metrics to a file.

    The columns are run_id, key, step, timestamp and value; times are milliseconds since the epoch in CSV,
    timestamps in UTC in Parquet. The file appears when it is whole.
    """
    from runyard.client import metrics, runs

    opened = _opened(target, force=force)
    found = list({run.info.run_id: run for run in (runs.find(session.http, name) for name in names)}.values())
    unknown = sorted(set(keys) - {metric.key for run in found for metric in run.data.metrics})
    if unknown:
        raise Missing(f"There is no metric {', '.join(map(repr, unknown))}.")
    count = 0
    with opened as write:
        for run in found:
            for key in [metric.key for metric in run.data.metrics if not keys or metric.key in keys]:
                for points in metrics.history(session.http, run.info.run_id, key):
                    write(run.info.run_id, key, points)
                    count += len(points)
    if target == "-":
        return
    told = {"file": target, "runs": len(found), "points": count}
    out.done(f"Wrote {texts.count(count, 'point')} of {texts.count(len(found), 'run')} to {target}.", told)


def _opened(target: str, *, force: bool) -> AbstractContextManager[Sink]:
    """What takes the points; nothing is written before the block begins.

    Raises:
        click.UsageError: the file's name says no format, or it is there already.
    """
    if target == "-":
        return _to_standard_output()
    file = Path(target)
    if file.exists() and not force:
        raise click.UsageError(f"{target} is there already; --force replaces it.")
    if file.suffix == ".csv":
        return _to_csv(file)
    if file.suffix == ".parquet":
        return _to_parquet(file)
    raise click.UsageError(f"--to takes FILE.csv, FILE.parquet or -, not {target!r}.")


@contextmanager
def _to_standard_output() -> Iterator[Sink]:
    yield _csv_sink(sys.stdout)


@contextmanager
def _to_csv(file: Path) -> Iterator[Sink]:
    with files.whole(file) as part, part.open("x", encoding="utf-8", newline="") as opened:
        yield _csv_sink(opened)


def _csv_sink(stream: TextIO) -> Sink:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(HEAD)

    def write(run_id: str, key: str, points: list[Point]) -> None:
        writer.writerows(
            (run_id, key, p.step, p.timestamp, p.value if isfinite(p.value) else texts.special(p.value))
            for p in points
        )

    return write


@contextmanager
def _to_parquet(file: Path) -> Iterator[Sink]:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise click.UsageError("Parquet needs an extra: pip install 'runyard[parquet]'.") from None
    name = pa.dictionary(pa.int32(), pa.string())
    kinds = (name, name, pa.int64(), pa.timestamp("ms", tz="UTC"), pa.float64())
    schema = pa.schema(list(zip(HEAD, kinds, strict=True)))
    rows: list[tuple[str, str, Point]] = []

    with files.whole(file) as part, parquet.ParquetWriter(part, schema, compression="zstd") as writer:

        def flush() -> None:
            columns = (
                [run_id for run_id, _, _ in rows],
                [key for _, key, _ in rows],
                [point.step for _, _, point in rows],
                [point.timestamp for _, _, point in rows],
                [point.value for _, _, point in rows],
            )
            arrays = [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            rows.clear()

        def write(run_id: str, key: str, points: list[Point]) -> None:
            rows.extend((run_id, key, point) for point in points)
            if len(rows) >= GROUP:
                flush()

        yield write
        flush()
