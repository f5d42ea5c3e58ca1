"""`runyard run compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import commands, texts
from runyard.cli.commands import Command
from runyard.cli.output import Column, Output
from runyard.cli.run_show import item_of
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.runs import Run

_ATTRIBUTES = ("run_name", "status", "user_id", "start_time", "duration")

Forms = Mapping[str, Callable[[float], str]]
"""How attributes are written, by their names."""

_FOR_PEOPLE: Forms = {"start_time": texts.time, "duration": texts.duration}
_IN_CSV: Forms = {"start_time": texts.iso_time}


@click.command(
    cls=Command,
    examples=(
        "runyard run compare 3f2a9c1e 77aa01bc",
        "runyard run compare 3f2a9c1e 77aa01bc 90dd12ef --all -o csv > comparison.csv",
    ),
)
@click.argument("names", metavar="RUN RUN...", nargs=-1, required=True)
@click.option("--all", "everything", is_flag=True, help="Also what is the same in all of them.")
@commands.server
@commands.output
def compare(session: Session, names: tuple[str, ...], everything: bool, out: Output) -> None:
    """Show where the params and metrics of runs differ."""
    from runyard.client import runs

    if len(names) < 2:
        raise click.UsageError("Name two runs or more.")
    found = list({run.info.run_id: run for run in (runs.find(session.http, name) for name in names)}.values())
    if len(found) < 2:
        raise click.UsageError("These all name the same run; name two or more.")
    rows = [row for row in rows_of(found) if everything or row["differs"]]
    if out.form == "json":
        out.json(rows)
        return
    ids = [run.info.run_id for run in found]
    shown = [
        Column(run.info.run_id, head=texts.safe(f"{run.info.run_name} {run.info.run_id[:8]}"))
        for run in found
    ]
    forms = _FOR_PEOPLE if out.for_people else _IN_CSV
    rows = [{**row, "values": _readable(row, forms)} for row in rows]
    flat = [
        {"kind": row["kind"], "key": row["key"], **{i: row["values"].get(i) for i in ids}} for row in rows
    ]
    out.rows(flat, [Column("kind", whole=True), Column("key"), *shown], empty="They don't differ.")


def rows_of(found: list[Run]) -> list[dict[str, Any]]:
    """What the runs have, a row for each attribute, param and metric; absent values are left out."""
    items = [item_of(run) for run in found]
    rows = []
    for kind, values_of in (
        ("attribute", [{key: item[key] for key in _ATTRIBUTES if item[key] is not None} for item in items]),
        ("param", [item["params"] for item in items]),
        ("metric", [{key: point["value"] for key, point in item["metrics"].items()} for item in items]),
    ):
        keys = dict.fromkeys(key for values in values_of for key in values)
        for key in keys if kind == "attribute" else sorted(keys):
            values = {
                item["run_id"]: values[key]
                for item, values in zip(items, values_of, strict=True)
                if key in values
            }
            # NaN is no difference to NaN.
            same = len(values) == len(items) and len({repr(value) for value in values.values()}) == 1
            rows.append({"kind": kind, "key": key, "values": values, "differs": not same})
    return rows


def _readable(row: dict[str, Any], forms: Forms) -> dict[str, Any]:
    """Times and durations as texts: a column holds values of several kinds."""
    form = forms.get(row["key"])
    if row["kind"] != "attribute" or form is None:
        values: dict[str, Any] = row["values"]
        return values
    return {run: form(value) for run, value in row["values"].items()}
