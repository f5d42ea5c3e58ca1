"""`runyard run show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from runyard.cli import commands, quotas, texts
from runyard.cli.commands import Command
from runyard.cli.output import Column, Output
from runyard.cli.session import Session

if TYPE_CHECKING:
    from runyard.client.runs import Run

_FIELDS = (
    Column("run_id", head="id", whole=True),
    Column("run_name", head="name"),
    Column("experiment_name", head="experiment"),
    Column("experiment_id"),
    Column("status"),
    Column("start_time", "time", "started"),
    Column("end_time", "time", "ended"),
    Column("duration", "duration"),
    Column("user_id", head="user"),
    Column("lifecycle_stage", head="stage"),
    Column("deleted_time", "time", "deleted"),
    Column("artifact_uri", head="artifacts"),
)
_TEXTS = (Column("key"), Column("value"))
_METRICS = (
    Column("key"),
    Column("value", "number"),
    Column("step", "number"),
    Column("timestamp", "time", "logged"),
)
_CSV = (Column("kind"), Column("key"), Column("value"))
_OF_QUOTA = ("used", "limit")


@click.command(
    cls=Command, examples=("runyard run show 3f2a9c1e", "runyard run show 3f2a9c1e -o json | jq .metrics")
)
@click.argument("name", metavar="RUN")
@click.option("--all-tags", is_flag=True, help="Also the tags that MLflow's client sets.")
@commands.server
@commands.output
def show(session: Session, name: str, all_tags: bool, out: Output) -> None:
    """Show a run.

    What it is, its params, its metrics' last values, its tags, its quotas.
    """
    from runyard.client import experiments, runs, trash

    run = runs.find(session.http, name)
    item = item_of(run)
    at = run.info.experiment_id
    item["experiment_name"] = experiments.get(session.http, at).name
    deleted = run.info.lifecycle_stage == "deleted"
    entry = trash.entry(session.http, "run", run.info.run_id, experiment_id=at) if deleted else {}
    item["deleted_time"] = entry.get("deleted_time")
    item["quotas"] = runs.quotas(session.http, item["run_id"])
    if out.form == "json":
        out.json(item)
        return
    tags = {k: v for k, v in item["tags"].items() if all_tags or not k.startswith("mlflow.")}
    if out.form == "csv":
        out.csv(_long(item, tags), _CSV)
        return
    out.fields(item, _FIELDS)
    for title, columns, rows in (
        ("params", _TEXTS, _pairs(item["params"])),
        ("metrics", _METRICS, [{"key": key, **point} for key, point in item["metrics"].items()]),
        ("tags", _TEXTS, _pairs(tags)),
    ):
        if rows:
            out.title(title)
            out.table(rows, columns)
    quotas.section(out, item["quotas"])


def item_of(run: Run) -> dict[str, Any]:
    """A run as JSON shows it."""
    info = run.info
    ended = info.end_time is not None and info.start_time
    return {
        "run_id": info.run_id,
        "run_name": info.run_name,
        "experiment_id": info.experiment_id,
        "status": info.status,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "duration": max(0, (info.end_time or 0) - info.start_time) if ended else None,
        "user_id": info.user_id,
        "lifecycle_stage": info.lifecycle_stage,
        "artifact_uri": info.artifact_uri,
        "params": {param.key: param.value for param in run.data.params},
        "metrics": {
            metric.key: {"value": metric.value, "step": metric.step, "timestamp": metric.timestamp}
            for metric in run.data.metrics
        },
        "tags": {tag.key: tag.value for tag in run.data.tags},
    }


def _pairs(found: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in found.items()]


def _in_csv(value: object, column: Column) -> object:
    """A value beside others of other kinds, which the column can't tell."""
    return texts.iso_time(value) if column.kind == "time" and isinstance(value, int) else value


def _long(item: dict[str, Any], tags: dict[str, str]) -> list[dict[str, Any]]:
    """A line for every value, since a run has many of several kinds."""
    return [
        *({"kind": "attribute", "key": c.key, "value": _in_csv(item[c.key], c)} for c in _FIELDS),
        *({"kind": "param", "key": key, "value": value} for key, value in item["params"].items()),
        *({"kind": "metric", "key": key, "value": point["value"]} for key, point in item["metrics"].items()),
        *({"kind": "tag", "key": key, "value": value} for key, value in tags.items()),
        *({"kind": kind, "key": q["name"], "value": q[kind]} for q in item["quotas"] for kind in _OF_QUOTA),
    ]
