"""The renderer: tables that fit, JSON that doesn't change, CSV that no spreadsheet computes."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from typing import Any

import click
import pytest

from runyard.cli import output, texts
from runyard.cli.output import Column, Output

COLUMNS = (
    Column("id", whole=True),
    Column("name"),
    Column("value", "number"),
    Column("size", "bytes"),
    Column("time", "time", "made"),
    Column("took", "duration"),
    Column("on", "flag"),
    Column("tags"),
)
COLUMNS_OF_ONE = (Column("list"), Column("at"))
ITEM: dict[str, Any] = {
    "id": "1",
    "name": "try",
    "value": 0.5,
    "size": 2048,
    "time": 1_700_000_000_123,
    "took": 61_000,
    "on": True,
    "tags": {"a": "b"},
    "beside": [1, 2],
}


def _csv(items: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    Output("csv").rows(items, COLUMNS)
    return list(csv.reader(io.StringIO(capsys.readouterr().out)))


def test_json_holds_everything_as_it_was_told(capsys: pytest.CaptureFixture[str]) -> None:
    Output("json").rows([ITEM], COLUMNS)
    assert json.loads(capsys.readouterr().out) == [ITEM]
    Output("json").item(ITEM, COLUMNS)
    assert json.loads(capsys.readouterr().out) == ITEM
    Output("json").rows([], COLUMNS, empty="Nothing.")
    assert json.loads(capsys.readouterr().out) == []


def test_json_spells_nan_and_infinities_like_the_server(capsys: pytest.CaptureFixture[str]) -> None:
    Output("json").json([float("nan"), float("inf"), {"x": float("-inf")}])
    assert json.loads(capsys.readouterr().out) == ["NaN", "Infinity", {"x": "-Infinity"}]


def test_no_form_sends_what_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[31mb\x9bc\u202ed\x07\ne"
    for form in ("table", "json"):
        shown = Output(form)
        shown.rows([{**ITEM, "name": hostile}], COLUMNS)
        shown.item({"name": hostile}, [Column("name")])
        shown.done(hostile, {"name": hostile})
        shown.note(hostile)
        told = capsys.readouterr()
        assert not set("\x1b\x9b\x07") & set(told.out + told.err)


def test_csv_is_exact_and_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    head, row = _csv([ITEM], capsys)
    assert head == ["id", "name", "value", "size", "time", "took", "on", "tags"]
    assert row == ["1", "try", "0.5", "2048", "2023-11-14T22:13:20.123Z", "61000", "true", '{"a": "b"}']


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=SUM(A1)", "'=SUM(A1)"),
        ("+cmd", "'+cmd"),
        ("-x", "'-x"),
        ("@x", "'@x"),
        ("\t=x", "'\t=x"),
        (" =x", "' =x"),
        ("\uff1dx", "'\uff1dx"),
        ("-1.5e-3", "-1.5e-3"),
        ("+1", "+1"),
        ("a=b", "a=b"),
        (None, ""),
        (float("nan"), "NaN"),
        (["a", "b"], "a,b"),
        (["=a"], "'=a"),
    ],
)
def test_no_cell_is_a_formula(value: object, cell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _csv([{"name": value}], capsys)[1][1] == cell


def test_a_table_elsewhere_than_on_a_terminal_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Output("table").rows([{**ITEM, "name": "x" * 300}, {"id": "22"}], COLUMNS)
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["id", "name", "value", "size", "made", "took", "on", "tags"]
    assert "x" * 300 in first
    assert first.split()[2:5] == ["0.5", "2.0", "KiB"]
    assert "1m 01s  yes  a=b" in first
    assert second == "22"


@pytest.mark.parametrize("width", [60, 70, 200])
def test_a_table_fits_its_terminal_and_cuts_no_id(width: int) -> None:
    columns = (Column("id", whole=True), Column("name"), Column("note"), Column("n", "number"))
    items = [{"id": "0123456789abcdef" * 2, "name": "名" * 40, "note": "x" * 40, "n": 12}]
    lines = output.lay_out(items, columns, width=width)
    from rich.cells import cell_len

    assert all(cell_len(line) <= max(width, 80) for line in lines[1:])
    assert ("0123456789abcdef" * 2 in lines[1]) is (width == 200)
    assert lines[1].startswith("0123456789ab")
    assert ("…" in lines[1]) is (width < 150)
    assert lines[1].endswith("12")


def test_a_narrow_table_shows_as_much_of_ids_as_tells_them_apart() -> None:
    columns = (Column("id", whole=True), Column("note"))
    ids = ["0" * 12 + "a" * 20, "0" * 12 + "b" * 20, "m-" + "c" * 32, "run:" + "0" * 12 + "a" * 20, "7" * 40]
    lines = output.lay_out([{"id": one, "note": "x" * 90} for one in ids], columns, width=80)
    shown = [line.split()[0] for line in lines[1:]]
    assert shown == ["0" * 12 + "a", "0" * 12 + "b", "m-" + "c" * 13, "run:" + "0" * 12 + "a", "7" * 40]


def test_a_narrow_table_has_short_times_and_spares_columns() -> None:
    now = int(time.time() * 1000)
    columns = (
        Column("time", "time"), Column("name"), Column("first", spare=2), Column("second", spare=1),
    )  # fmt: skip
    item = {"time": now, "name": "x" * 30, "first": "y" * 10, "second": "z" * 10}

    def heads(width: int) -> list[str]:
        return click.unstyle(output.lay_out([item], columns, width=width)[0]).split()

    assert heads(80) == heads(70) == ["time", "name", "first", "second"]
    assert output.lay_out([item], columns, width=70)[1].startswith(texts.time(now)[5:16] + "  ")
    assert heads(45) == ["time", "name", "second"]
    assert heads(30) == ["time", "name"]


def test_a_short_time_is_of_this_year_or_a_day() -> None:
    now, year = 1_790_000_000_000, 366 * 86_400_000
    assert texts.short_time(now, now) == texts.time(now)[5:16]
    assert texts.short_time(now - year, now) == texts.time(now - year)[:10]
    assert texts.short_time(10**18, now) == str(10**18)


def test_fields_are_wrapped_under_their_column(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "terminal_width", lambda: 30)
    address = "https://example.org/" + "x" * 30
    Output("table").item({"list": ["one/read", "two/read", "three/read"], "at": address}, COLUMNS_OF_ONE)
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["list  one/read, two/read,", "      three/read", f"at    {address}"]


def test_csv_of_what_was_done_has_times_in_utc(capsys: pytest.CaptureFixture[str]) -> None:
    Output("csv").done("Done.", {"id": "1", "creation_time": 1_700_000_000_123, "expiry_time": None})
    assert capsys.readouterr().out == "id,creation_time,expiry_time\n1,2023-11-14T22:13:20.123Z,\n"


def test_what_is_said_beside_a_result_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Output("table")
    shown.rows([], COLUMNS, empty="There is nothing.")
    shown.rows([ITEM], [Column("id")], more=True)
    told = capsys.readouterr()
    assert told.out == "id\n1\n"
    assert told.err.splitlines()[0] == "There is nothing."
    assert "--limit" in told.err


def test_fields_without_a_value_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Output("table").item({"id": "1", "name": "", "value": None, "size": 0}, COLUMNS)
    assert capsys.readouterr().out == "id    1\nsize  0 B\n"


def test_an_output_that_speaks_no_unicode_gets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="latin-1", write_through=True))
    Output("json").json({"name": "名"})
    assert json.loads(raw.getvalue()) == {"name": "名"}
    Output("table").item({"name": "ä名"}, [Column("name")])
    assert raw.getvalue().splitlines()[-1] == b"name  \xe4?"


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0.0s"),
        (1234, "1.2s"),
        (59_999, "60.0s"),
        (61_000, "1m 01s"),
        (3_720_000, "1h 02m"),
        (200_000_000, "2d 07h"),
    ],
)
def test_durations(ms: float, text: str) -> None:
    assert texts.duration(ms) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (12345678, "12345678"),
        (0.1234567, "0.123457"),
        (1e20, "1e+20"),
        (2.0, "2"),
        (float("inf"), "Infinity"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert texts.number(value) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**40, "1.0 TiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert texts.size(count) == text


@pytest.mark.parametrize("ms", [10**18, -(10**18)])
def test_a_time_outside_of_the_calendar_is_shown_as_it_is(ms: int) -> None:
    assert texts.time(ms) == str(ms)
    assert texts.iso_time(ms) == str(ms)
