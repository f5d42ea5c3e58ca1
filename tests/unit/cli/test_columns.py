"""Columns of the runs table as they are written."""

from __future__ import annotations

from typing import get_args

import click
import pytest

from runyard.cli import columns
from runyard.cli.columns import Wanted
from runyard.server.tracking import types
from runyard.server.tracking.service import table


def test_columns_are_those_of_the_server() -> None:
    assert columns.ATTRIBUTES == table.ATTRIBUTES
    assert set(columns.SUMMARIES) == set(get_args(types.Summary))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("run_id", Wanted("run_id", "attribute", "run_id")),
        ("duration", Wanted("duration", "made", "duration")),
        ("metrics.a/b c.d", Wanted("metrics.a/b c.d", "metric", "a/b c.d")),
        ("params.lr", Wanted("params.lr", "param", "lr")),
        ("tags.*", Wanted("tags.*", "tag", "*")),
        ("argmin(metrics.loss)", Wanted("argmin(metrics.loss)", "metric", "loss", "argmin")),
    ],
)
def test_a_column(text: str, wanted: Wanted) -> None:
    assert columns.parse(f" {text} ,") == [wanted]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column"),
        (" , ", "no column"),
        ("name", "'name'"),
        ("metrics.", "'metrics.'"),
        ("best(metrics.loss)", "'best'"),
        ("min(params.lr)", r"min\(params"),
    ],
)
def test_what_is_no_column_is_told(text: str, told: str) -> None:
    with pytest.raises(click.UsageError, match=told):
        columns.parse(text)


def test_a_star_is_all_keys_in_its_place_and_none_twice() -> None:
    wanted = columns.parse("run_id, metrics.a, metrics.*, max(metrics.*), tags.*")
    found = columns.expand(wanted, {"metric": ["a", "b"], "param": ["c"], "tag": []})
    assert [column.name for column in found] == [
        "run_id",
        "metrics.a",
        "metrics.b",
        "max(metrics.a)",
        "max(metrics.b)",
    ]
