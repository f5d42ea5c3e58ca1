"""The columns of the runs table, as they are written on the command line. Pure.

`run_id`, `status`, ... are attributes; `metrics.loss`, `params.lr`, `tags.team` what was logged;
`min(metrics.loss)` a summary of a metric's history; `metrics.*` all metrics. `duration` and `experiment` are
made from attributes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

import click

ATTRIBUTES = (
    "run_id",
    "run_name",
    "experiment_id",
    "status",
    "start_time",
    "end_time",
    "user_id",
    "artifact_uri",
    "lifecycle_stage",
)
MADE = ("experiment", "duration")
SUMMARIES = (
    "last", "first", "min", "max", "mean", "sum", "count", "nan_count", "argmin", "argmax", "last_step",
    "last_time", "first_step", "first_time",
)  # fmt: skip

Kind = Literal["attribute", "metric", "param", "tag", "made"]

_KINDS: dict[str, Kind] = {"metrics": "metric", "params": "param", "tags": "tag"}
_LOGGED = re.compile(r"(?P<kind>metrics|params|tags)\.(?P<key>.+)")
_SUMMARY = re.compile(r"(?P<summary>\w+)\((?P<of>metrics\..+)\)")


class Wanted(NamedTuple):
    """A column that somebody wants to see.

    Attributes:
        name: as it was written; the head of the column.
        kind: what it shows.
        key: the attribute, or the metric's, param's or tag's key; `*` for all of them.
        summary: of a metric.
    """

    name: str
    kind: Kind
    key: str
    summary: str = "last"


def parse(text: str) -> list[Wanted]:
    """The columns of a text like `run_name, min(metrics.loss), params.*`.

    Raises:
        click.UsageError: one of them doesn't exist.
    """
    found = [_parse_one(part.strip()) for part in text.split(",") if part.strip()]
    if not found:
        raise click.UsageError("--columns names no column.")
    return found


def expand(wanted: Sequence[Wanted], keys: dict[str, list[str]]) -> list[Wanted]:
    """The columns with every `*` replaced by the keys that there are.

    Args:
        wanted: the columns.
        keys: for `metric`, `param` and `tag` the keys.
    """
    found: list[Wanted] = []
    for column in wanted:
        if column.key != "*":
            found.append(column)
            continue
        for key in keys[column.kind]:
            found.append(column._replace(name=column.name.replace("*", key), key=key))
    return list(dict.fromkeys(found))


def _parse_one(text: str) -> Wanted:
    if text in ATTRIBUTES:
        return Wanted(text, "attribute", text)
    if text in MADE:
        return Wanted(text, "made", text)
    logged = _LOGGED.fullmatch(text)
    if logged is not None:
        return Wanted(text, _KINDS[logged["kind"]], logged["key"])
    summary = _SUMMARY.fullmatch(text)
    if summary is None:
        raise click.UsageError(
            f"There is no column {text!r}. There are {', '.join(ATTRIBUTES + MADE)}, metrics.KEY, "
            "params.KEY, tags.KEY, metrics.* and min(metrics.KEY)."
        )
    if summary["summary"] not in SUMMARIES:
        raise click.UsageError(
            f"There is no summary {summary['summary']!r} of a metric. There are {', '.join(SUMMARIES)}."
        )
    of = cast("re.Match[str]", _LOGGED.fullmatch(summary["of"]))
    return Wanted(text, "metric", of["key"], summary["summary"])
