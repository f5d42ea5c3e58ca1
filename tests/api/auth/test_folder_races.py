"""One server process moves a folder while another one deletes or restores somebody who has a rule there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from runyard.server.db.database import open_dialect
from tests.api.auth.team import NATIVE, OWN, Team
from tests.api.auth.test_races import pair
from tests.api.conftest import Api
from tests.api.trash_data import TRASH, item, sql

__all__ = ["pair"]

RULES, READER = f"{NATIVE}/workspaces/{OWN}/rules", f"{NATIVE}/users/reader"
MOVE = f"{NATIVE}/folders/move", {"path": "/a", "to": "/d"}
# What keeps a deletion or restoration from going on behind the rules of folders.
BEHIND = {
    "delete": "SELECT 1 FROM experiment_rule FOR UPDATE",
    "restore": "SELECT 1 FROM deleted_experiment_rule FOR UPDATE",
}
# What keeps a move from going on behind all rules: somebody makes an experiment of the new name.
BEHIND_RULES = """
    INSERT INTO experiment
    SELECT (jsonb_populate_record(e, '{"id": 999999, "name": "/d/secret/x"}')).* FROM experiment e
    WHERE name = '/a/secret/x' RETURNING 1
"""


@contextmanager
def undone(url: str, statement: str) -> Iterator[None]:
    """A statement that finds something to do, and is undone in the end."""
    connection: Any = open_dialect(url).connect(readonly=False)
    try:
        connection.execute("BEGIN")
        assert connection.execute(statement).fetchall()
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


def wait_for(url: str, waiting: int) -> None:
    """Until so many transactions wait for others."""
    deadline = time.monotonic() + 20
    of_database = "datname = current_database() AND wait_event_type = 'Lock'"
    while sql(url, f"SELECT count(*) FROM pg_stat_activity WHERE {of_database}")[0][0] < waiting:
        assert time.monotonic() < deadline


def keep_out(owner: Api) -> str:
    """Keep the reader out of a folder, and of an experiment elsewhere; returns the one in the folder."""
    secret = owner.experiment("/a/secret/x")
    for place in ({"path": "/a/secret"}, {"experiment_id": owner.experiment("/b/x")}):
        owner.put(RULES, {"principal": "reader", "level": "NO_PERMISSION", **place}).ok()
    return secret


@pytest.mark.parametrize("change", ["delete", "restore"])
def test_a_rule_moves_that_goes_to_the_trash_or_comes_back_meanwhile(
    pair: tuple[Team, Team], postgresql_url: str, change: str
) -> None:
    first, second = pair
    admin, owner = first["admin"], second["owner"]
    secret = keep_out(owner)
    reader = admin.get(READER).ok()["id"]
    restoring = ("POST", f"{TRASH}/restore", {"items": [item("user", reader)]})
    if change == "restore":
        admin.delete(READER).ok()
    # When it goes or comes back, and the folder moves before that is committed
    with ThreadPoolExecutor(2) as threads:
        with undone(postgresql_url, BEHIND[change]):
            request = restoring if change == "restore" else ("DELETE", READER, None)
            changed = threads.submit(admin.request, *request)
            wait_for(postgresql_url, 1)
            moved = threads.submit(owner.post, *MOVE)
            wait_for(postgresql_url, 2)
        assert (changed.result().status, moved.result().status) == (200, 200)
    if change == "delete":
        admin.request(*restoring).ok()
    # Then it is kept out of it
    found = owner.get(RULES, {"limit": 1000}).ok()["items"]
    assert [(one["path"], one["principal"]) for one in found if one["experiment_id"] is None] == [
        ("/d/secret", "reader")
    ]
    assert moved.result().ok()["rules"] == 1
    assert owner.get("experiments/get", {"experiment_id": secret}).ok()["experiment"]["name"] == "/d/secret/x"


def test_no_rule_is_left_of_who_is_purged_meanwhile(pair: tuple[Team, Team], postgresql_url: str) -> None:
    admin, owner = pair[0]["admin"], pair[1]["owner"]
    # Given
    keep_out(owner)
    gone = {"items": [item("user", admin.delete(READER).ok()["id"])]}
    # When it is purged after its rule has moved, before that is committed
    with ThreadPoolExecutor(2) as threads:
        with undone(postgresql_url, BEHIND_RULES):
            moved = threads.submit(owner.post, *MOVE)
            wait_for(postgresql_url, 1)
            purged = threads.submit(admin.post, f"{TRASH}/purge", gone)
            wait_for(postgresql_url, 2)
        assert (moved.result().status, purged.result().status) == (200, 200)
    # Then
    assert sql(postgresql_url, "SELECT count(*) FROM deleted_folder_rule") == [(0,)]
