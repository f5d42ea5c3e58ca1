"""`runyard run`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from runyard.cli import columns, commands
from runyard.cli.columns import Wanted
from runyard.cli.commands import Group
from runyard.cli.output import Column, Output
from runyard.cli.run_compare import compare
from runyard.cli.run_delete import delete, delete_artifact, restore
from runyard.cli.run_download import download
from runyard.cli.run_show import show
from runyard.cli.run_watch import watch
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.http import Http

DEFAULT_COLUMNS = "run_id, run_name, experiment, status, start_time, duration, user_id"

_TIMES = ("start_time", "end_time")
_WHOLE = ("run_id", "status", "lifecycle_stage")
# A read of a page with all keys of many experiments would be as long as it is useless.
_MOST_EXPERIMENTS_FOR_KEYS = 20


@click.group(cls=Group)
def run() -> None:
    """Runs: find, watch, compare, download, delete.

    RUN is a run's id, or the beginning of it: six characters or more.
    """


run.add_command(show)
run.add_command(watch)
run.add_command(compare)
run.add_command(download)
run.add_command(delete)
run.add_command(restore)
run.add_command(delete_artifact)


@run.command(
    "list",
    examples=(
        "runyard run list -e /Shared/churn",
        "runyard run list --filter \"status = 'RUNNING'\"",
        "runyard run list -e 12 --order-by 'metrics.auc DESC' --columns 'metrics.*'",
        "runyard run list -e 12 --columns 'min(metrics.loss)' -n 0 -o csv > runs.csv",
    ),
)
@click.option(
    "-e",
    "--experiment",
    "names",
    metavar="NAME",
    multiple=True,
    help="Only runs of this experiment, by its name or id; may be given again.",
)
@click.option("--filter", "filter_text", metavar="FILTER", default="", help="In the search language.")
@click.option(
    "--order-by",
    metavar="FIELD [ASC|DESC]",
    multiple=True,
    help="The order; may be given again. Without it the newest come first.",
)
@click.option(
    "--columns",
    "wanted",
    metavar="COLUMNS",
    default=DEFAULT_COLUMNS,
    show_default=True,
    help="What to show: attributes, metrics.KEY, min(metrics.KEY), params.KEY, tags.KEY, metrics.*",
)
@click.option(
    "--view",
    type=click.Choice(["active", "deleted", "all"]),
    default="active",
    show_default=True,
    help="Also or only those in the trash.",
)
@commands.limit
@commands.server
@commands.output
def list_(
    session: Session,
    names: tuple[str, ...],
    filter_text: str,
    order_by: tuple[str, ...],
    wanted: str,
    view: str,
    limit: int,
    out: Output,
) -> None:
    """List runs."""
    from runyard.client import experiments, runs

    asked = columns.parse(wanted)
    http = session.http
    # An experiment that is in use may have runs in the trash.
    everywhere = "active" if view == "active" else "all"
    found = [experiments.find(http, name) for name in names] or experiments.search(http, view=everywhere)[0]
    ids = list(dict.fromkeys(one.experiment_id for one in found))
    asked = _expanded(http, asked, ids)
    sent = [
        *(runs.Column("attribute", name) for name in columns.ATTRIBUTES),
        *(runs.Column(c.kind, c.key, c.summary) for c in asked if c.kind in ("metric", "param", "tag")),
    ]
    rows, more = runs.table(
        http, ids, sent, filter_text=filter_text, order_by=order_by, view=view, limit=limit
    )
    names_of = {one.experiment_id: one.name for one in found}
    items = [_item(row, asked, names_of) for row in rows]
    # Who asked for the columns wants them all.
    spare = ("user_id",) if wanted == DEFAULT_COLUMNS else ()
    shown = [_shown(column, spare=int(column.name in spare)) for column in asked]
    out.rows(items, shown, more=more, empty="There is no such run.")


def _expanded(http: Http, asked: Sequence[Wanted], experiment_ids: Sequence[str]) -> list[Wanted]:
    from runyard.client import runs

    if all(column.key != "*" for column in asked):
        return list(asked)
    if len(experiment_ids) > _MOST_EXPERIMENTS_FOR_KEYS:
        raise click.UsageError(
            f"Columns with * take {_MOST_EXPERIMENTS_FOR_KEYS} experiments at most: name them by -e."
        )
    keys: dict[str, set[str]] = {"metric": set(), "param": set(), "tag": set()}
    for experiment_id in experiment_ids:
        found = runs.keys(http, experiment_id)
        keys["metric"].update(found.metrics)
        keys["param"].update(found.params)
        keys["tag"].update(key for key in found.tags if not key.startswith("mlflow."))
    return columns.expand(asked, {kind: sorted(names) for kind, names in keys.items()})


def _item(row: Sequence[Any], asked: Sequence[Wanted], names: dict[str, str]) -> dict[str, Any]:
    """A row by the names of its columns; in the row, the run's id and all attributes come first."""
    attributes = dict(zip(columns.ATTRIBUTES, row[1:], strict=False))
    logged = iter(row[1 + len(columns.ATTRIBUTES) :])
    item: dict[str, Any] = {}
    for column in asked:
        if column.kind == "attribute":
            item[column.name] = attributes[column.key]
        elif column.name == "experiment":
            experiment_id = str(attributes["experiment_id"])
            item[column.name] = names.get(experiment_id, experiment_id)
        elif column.name == "duration":
            item[column.name] = _duration(attributes)
        else:
            item[column.name] = next(logged)
    return item


def _duration(attributes: dict[str, Any]) -> float | None:
    """How long a run took, or takes so far, in milliseconds."""
    start, end = attributes["start_time"], attributes["end_time"]
    if end is None and attributes["status"] == "RUNNING":
        end = time.time() * 1000
    return None if not start or end is None else max(0, int(end - start))


def _shown(column: Wanted, *, spare: int) -> Column:
    heads = {"run_name": "name", "start_time": "started", "end_time": "ended", "user_id": "user"}
    head = heads.get(column.name, column.name)
    if column.name in _TIMES or column.summary.endswith("_time"):
        return Column(column.name, "time", head)
    if column.kind == "metric":
        return Column(column.name, "number", head)
    if column.name == "duration":
        return Column(column.name, "duration")
    return Column(column.name, head=head, whole=column.name in _WHOLE, spare=spare)
