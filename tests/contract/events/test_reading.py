"""Reading the log: what a filter finds, in which order, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from runyard.server import events
from runyard.server.db import Database
from runyard.server.events.types import MAX_TARGET
from tests.contract.events.log import all_of, append, event

# Number of an event -> what it has that others don't.
EVENTS: dict[int, dict[str, Any]] = {
    1: {"workspace_id": 2},
    2: {"workspace_id": 0, "actor": "Bob"},
    3: {"action": "run.delete", "target_type": "run", "target": "abc"},
    4: {"action": "run.restore", "target_type": "run", "target": "abd"},
    5: {"action": "runs.purge", "detail": {"name": "50% of Größe_"}},
    6: {"address": "2001:db8::1"},
    7: {"credential": "personal token ci"},
    8: {"target": "x" * (MAX_TARGET + 10)},
}

FILTERS: dict[str, tuple[dict[str, Any], list[int]]] = {
    "nothing": ({}, [8, 7, 6, 5, 4, 3, 2, 1]),
    "workspace": ({"workspace_id": 2}, [1]),
    "server": ({"workspace_id": 0}, [2]),
    "actor": ({"actor": "Bob"}, [2]),
    "actor's case": ({"actor": "bob"}, []),
    "action": ({"action": "run.delete"}, [3]),
    "beginning of the action": ({"action": "run."}, [4, 3]),
    "another beginning": ({"action": "run"}, [5, 4, 3]),
    "end of the action": ({"action": "delete"}, []),
    "type": ({"target_type": "run"}, [4, 3]),
    "target": ({"target": "abc"}, [3]),
    "long target": ({"target": "x" * (MAX_TARGET + 10)}, [8]),
    "both": ({"target_type": "experiment", "target": "abc"}, []),
    "since": ({"since": 1_006}, [8, 7, 6]),
    "until": ({"until": 1_003}, [2, 1]),
    "since and until": ({"since": 1_003, "until": 1_005}, [4, 3]),
    "text": ({"text": "TOKEN ci"}, [7]),
    "text of the detail": ({"text": "größe"}, [5]),
    "text with signs of a pattern": ({"text": "0% of"}, [5]),
    "nothing like a pattern": ({"text": "a_c"}, []),
    "text of the address": ({"text": "db8::"}, [6]),
    "text of a long target": ({"text": "x" * (MAX_TARGET + 5)}, [8]),
    "several": ({"workspace_id": 1, "action": "run", "text": "ABD"}, [4]),
}


def _numbers(found: list[events.StoredEvent]) -> list[int]:
    return [one.time - 1_000 for one in found]


def test_filters(database: Database) -> None:
    for number, fields in EVENTS.items():
        append(database, number, **fields)
    found = {name: _numbers(all_of(database, **wanted)) for name, (wanted, _) in FILTERS.items()}
    assert found == {name: numbers for name, (_, numbers) in FILTERS.items()}


def test_what_is_appended_is_read(database: Database) -> None:
    told = event(1, workspace_id=3, detail={"b": ["ü", None, 1], "a": {"z": True}}, target="\U0001f680")
    database.write_from_thread(lambda tx: events.append(tx, [told]))
    (found,) = all_of(database)
    names = ("time", "workspace_id", "actor_id", "actor", "credential", "address", "action", "target")
    assert {n: getattr(found, n) for n in names} == {n: getattr(told, n) for n in names}
    assert found.detail == '{"a":{"z":true},"b":["ü",null,1]}'
    assert (found.sequence, found.hash) == (None, None)


def test_all_of_a_long_target_is_kept(database: Database) -> None:
    append(database, 1, target="y" * (MAX_TARGET + 1), detail={"a": 1})
    (found,) = all_of(database)
    assert found.target == "y" * MAX_TARGET
    assert found.detail == f'{{"a":1,"target":"{"y" * (MAX_TARGET + 1)}"}}'


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_show_each_event_once(database: Database, newest_first: bool) -> None:
    # Given events of which several have one time
    for number in range(23):
        append(database, number, time=1_000 + number // 4)
    # When
    found: list[events.StoredEvent] = []
    position = None
    while True:
        page = database.read_here(
            lambda c, position=position: events.find(  # type: ignore[misc]
                c, events.Filter(), position=position, limit=3, newest_first=newest_first
            )
        )
        found += page
        if len(page) < 3:
            break
        position = events.Position(page[-1].time, page[-1].id)
    # Then
    numbers = [int(one.target) for one in found]
    assert numbers == sorted(range(23), reverse=newest_first)
