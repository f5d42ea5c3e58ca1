"""Exporting the activity log, and verifying it over HTTP."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runyard.server import events
from runyard.server.auth.service import activity
from runyard.server.db import Database
from runyard.server.db.database import open_dialect
from tests.api.conftest import Api, serve
from tests.contract.events.log import unprotected

ACTIVITY = "/api/runyard/1/activity"
EXPORT, HEAD, VERIFY = f"{ACTIVITY}/export", f"{ACTIVITY}/head", f"{ACTIVITY}/verify"
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "activity-log.md"


def seal(url: str) -> None:
    """Seal all events now: the server's own sealer does it when it comes to it."""
    database = Database(open_dialect(url))
    database.start()
    while database.write_from_thread(events.seal):
        pass
    database.close()


def lines_of(api: Api, **query: str) -> list[dict[str, Any]]:
    """An export as JSON lines."""
    content = api.get(EXPORT, query).content
    return [json.loads(line) for line in content.splitlines()]


def rows_of(api: Api, **query: str) -> list[dict[str, str]]:
    """An export as CSV."""
    text = api.get(EXPORT, {"format": "csv", **query}).content.decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_json_lines_hold_what_the_pages_do(api: Api, database_url: str) -> None:
    # Given
    for name in ("a", "b", "ü"):
        api.experiment(name)
    seal(database_url)
    # When
    reply = api.get(EXPORT)
    # Then
    assert reply.headers["content-type"] == "application/jsonl"
    assert reply.headers["content-disposition"] == 'attachment; filename="activity.jsonl"'
    items = api.get(ACTIVITY).ok()["items"]
    assert lines_of(api) == items[::-1]
    assert [one["sequence"] for one in items] == [3, 2, 1]


def test_an_export_takes_filters(api: Api) -> None:
    api.experiment("a")
    api.post("experiments/delete", {"experiment_id": api.experiment("b")}).ok()
    assert [one["action"] for one in lines_of(api, action="experiment.delete")] == ["experiment.delete"]
    assert [row["action"] for row in rows_of(api, text="delete")] == ["experiment.delete"]
    assert lines_of(api, actor="ann") == []
    assert rows_of(api, actor="ann") == []


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_an_export_of_several_slices(api: Api, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(activity, "EXPORT_SLICE", 2)
    made = [api.experiment() for _ in range(count)]
    assert [one["target"] for one in lines_of(api)] == made
    assert [row["target"] for row in rows_of(api)] == made


def test_csv(api: Api, database_url: str) -> None:
    experiment = api.experiment('with "quotes", commas\nand lines')
    seal(database_url)
    reply = api.get(EXPORT, {"format": "csv"})
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="activity.csv"'
    (row,) = rows_of(api)
    (event,) = api.get(ACTIVITY).ok()["items"]
    assert row.pop("utc").endswith("+00:00")
    assert json.loads(row.pop("detail")) == event.pop("detail")
    assert row == {name: str(value) for name, value in event.items() if name != "workspace_id"}
    assert (row["sequence"], row["target"]) == ("1", experiment)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("\rx", "'\rx"),
        ("\uff1d1", "'\uff1d1"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(
    database: Database, database_url: str, tmp_path: Path, text: str, cell: str
) -> None:
    # Given an event all of whose texts somebody chose
    event = events.Event(
        time=1_000,
        workspace_id=1,
        actor_id=-1,
        actor=text,
        credential=text,
        address=text,
        action=text,
        target_type=text,
        target=text,
    )
    database.write_from_thread(lambda tx: events.append(tx, [event]))
    # When
    with serve(data=str(tmp_path), database=database_url) as api:
        (row,) = rows_of(api)
    # Then
    names = ("actor", "credential", "address", "action", "target_type", "target")
    assert {row[name] for name in names} == {cell}
    assert (row["actor_id"], row["time"], row["utc"]) == ("-1", "1000", "1970-01-01T00:00:01.000+00:00")


def test_the_head_and_verifying(api: Api, database_url: str) -> None:
    # Given
    nothing = {"head": f"0:{'0' * 64}", "sequence": 0, "hash": "0" * 64, "time": 0, "unsealed": 0}
    assert api.get(HEAD).ok() == nothing
    for _ in range(3):
        api.experiment()
    seal(database_url)
    # When
    head = api.get(HEAD).ok()
    # Then
    last = api.get(ACTIVITY, {"limit": 1}).ok()["items"][0]
    assert head == {
        "head": f"3:{last['hash']}",
        "sequence": 3,
        "hash": last["hash"],
        "time": last["time"],
        "unsealed": 0,
    }
    whole = {
        "ok": True,
        "complete": True,
        "checked": 3,
        "verified": head["head"],
        "broken": None,
        "unsealed": 0,
    }
    assert api.get(VERIFY).ok() == whole
    assert api.get(VERIFY, {"head": head["head"]}).ok() == whole
    assert api.get(VERIFY, {"after": head["head"]}).ok() == {**whole, "checked": 0}


def test_a_long_log_is_verified_piece_by_piece(
    api: Api, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(events.verification, "SLICE", 2)
    monkeypatch.setattr(events.verification.verify_slice, "__kwdefaults__", {"noted": None, "limit": 2})
    for _ in range(5):
        api.experiment()
    seal(database_url)
    head = api.get(HEAD).ok()["head"]
    # When
    first = api.get(VERIFY, {"limit": 3, "head": head}).ok()
    rest = api.get(VERIFY, {"limit": 3, "head": head, "after": first["verified"]}).ok()
    # Then
    assert (first["ok"], first["complete"], first["checked"]) == (True, False, 4)
    assert (rest["ok"], rest["complete"], rest["checked"], rest["verified"]) == (True, True, 1, head)


def test_tampering_is_told(api: Api, database_url: str) -> None:
    for _ in range(3):
        api.experiment()
    seal(database_url)
    head = api.get(HEAD).ok()["head"]
    # A changed event
    unprotected(database_url, "UPDATE event SET actor = 'eve', detail = 'no JSON' WHERE sequence = 2")
    found = api.get(VERIFY).ok()
    assert (found["ok"], found["broken"]["kind"], found["broken"]["sequence"]) == (False, "changed", 2)
    assert api.get(ACTIVITY, {"actor": "eve"}).ok()["items"][0]["detail"] == "no JSON"
    # A cut tail
    unprotected(database_url, "DELETE FROM event WHERE sequence > 1")
    assert api.get(VERIFY).ok()["ok"]
    found = api.get(VERIFY, {"head": head}).ok()
    assert (found["ok"], found["broken"]["kind"], found["broken"]["sequence"]) == (False, "cut", 2)


@pytest.mark.parametrize("name", ["head", "after"])
def test_what_is_no_head_is_refused(api: Api, name: str) -> None:
    reply = api.get(VERIFY, {name: "7"})
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == name


def test_somebody_else_can_compute_the_chain(api: Api, database_url: str, tmp_path: Path) -> None:
    # Given an export and the guide's program
    for name in ("a", "ü", "\U0001f680", 'q"\\'):
        api.experiment(name)
    seal(database_url)
    api.experiment("not sealed")
    program = re.search(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert program is not None
    export = tmp_path / "activity.jsonl"
    content = api.get(EXPORT, {"workspace": "*"}).content

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", program[1], str(export)], capture_output=True, text=True, check=False
        ).stdout.strip()

    # When, then
    export.write_bytes(content)
    assert run() == api.get(HEAD).ok()["head"]
    export.write_bytes(content.replace(b'"name":"a"', b'"name":"b"'))
    assert run() == "event 1 was changed"


def test_metrics_show_how_far_the_log_is_sealed(api: Api) -> None:
    text = api.get("/metrics").content.decode()
    assert re.search(r"^runyard_activity_sealed(\{.*\})? \d", text, re.MULTILINE)
    assert re.search(r"^runyard_activity_unsealed(\{.*\})? \d", text, re.MULTILINE)
