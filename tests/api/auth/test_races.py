"""Two server processes on one PostgreSQL change who may do what at the same moment.

The servers stand in this process, but share nothing but the database.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.api.auth.team import GROUP, NATIVE, OWN, PASSWORD, Team, opened, populate
from tests.api.conftest import Api, Reply, serve

USERS, GROUPS = f"{NATIVE}/users", f"{NATIVE}/groups"
ROUNDS = 10


@pytest.fixture
def pair(postgresql_url: str, tmp_path: Path) -> Iterator[tuple[Team, Team]]:
    """Two servers with one team."""
    with opened(postgresql_url) as database:
        secrets = populate(database)
    with (
        serve(data=str(tmp_path / "a"), database=postgresql_url) as first,
        serve(data=str(tmp_path / "b"), database=postgresql_url) as second,
    ):
        yield Team(first, secrets, postgresql_url), Team(second, secrets, postgresql_url)


def race(apis: Sequence[Api], requests: Sequence[tuple[str, str, Any]]) -> list[Reply]:
    """Each server gets its request, at once."""
    with ThreadPoolExecutor(len(apis)) as threads:
        return list(threads.map(lambda api, sent: api.request(*sent), apis, requests))


def test_one_administrator_stays_whoever_is_faster(pair: tuple[Team, Team]) -> None:
    for i in range(3):
        # Given two administrators who can sign in
        first, second = (team.api.as_(password=("admin", PASSWORD)) for team in pair)
        name = f"second{i}"
        first.post(USERS, {"name": name, "is_admin": True, "password": PASSWORD}).ok()
        # When each of the servers is told to demote one of them
        demote = {"is_admin": False}
        sent = [("PATCH", f"{USERS}/admin", demote), ("PATCH", f"{USERS}/{name}", demote)]
        replies = race([first, second], sent)
        # Then one does. The other refuses, or knows already that its caller is no administrator any more
        done, refused = sorted(reply.status for reply in replies)
        assert done == 200
        assert refused in (400, 403)
        if replies[0].status == 200:
            left = pair[0].api.as_(password=(name, PASSWORD))
            left.patch(f"{USERS}/admin", {"is_admin": True}).ok()
            left.patch(f"{USERS}/{name}", demote).ok()
        _wait_for_admin(pair)


def test_a_principal_that_goes_leaves_no_role_behind(pair: tuple[Team, Team]) -> None:
    first, second = (team["admin"] for team in pair)
    members = f"{NATIVE}/workspaces/{OWN}/members"
    for i in range(ROUNDS):
        name = f"user{i}"
        first.post(USERS, {"name": name}).ok()
        sent = [("DELETE", f"{USERS}/{name}", None), ("PUT", f"{members}/{name}/Reader", None)]
        deleted, given = race([first, second], sent)
        assert deleted.status == 200
        assert given.status in (200, 404)
    with opened(pair[0].url) as database:
        orphans = database.read_here(
            lambda c: c.driver.execute(
                "SELECT count(*) FROM role_assignment a WHERE NOT EXISTS"
                " (SELECT 1 FROM principal p WHERE p.id = a.principal_id)"
            ).fetchone()
        )
    assert orphans[0] == 0


def test_a_name_has_one_winner(pair: tuple[Team, Team]) -> None:
    for i in range(ROUNDS):
        sent = [("POST", USERS, {"name": f"twin{i}"}), ("POST", f"{NATIVE}/groups", {"name": f"twin{i}"})]
        replies = race([team["admin"] for team in pair], sent)
        won, lost = sorted(replies, key=lambda reply: reply.status)
        assert won.status == 200
        assert lost.error in ((400, "RESOURCE_ALREADY_EXISTS"), (409, "RESOURCE_CONFLICT"))


def test_a_revocation_reaches_the_other_server_within_five_seconds(pair: tuple[Team, Team]) -> None:
    first, second = pair
    assert second["reader"].get("experiments/search").status == 200
    first["admin"].delete(f"{USERS}/reader").ok()
    deadline = time.monotonic() + 6
    while second["reader"].get("experiments/search").status == 200:
        assert time.monotonic() < deadline
    assert second["reader"].get("experiments/search").error == (401, "UNAUTHENTICATED")


def test_what_is_deleted_or_restored_twice_is_so_once(pair: tuple[Team, Team]) -> None:
    apis = [team["admin"] for team in pair]
    apis[0].put(f"{GROUPS}/{GROUP}/members/reader").ok()
    for _ in range(ROUNDS):
        replies = race(apis, [("DELETE", f"{USERS}/reader", None)] * 2)
        (gone,) = [reply.body["id"] for reply in replies if reply.status == 200]
        assert sorted(reply.status for reply in replies) == [200, 404]
        replies = race(apis, [_restoring("user", gone)] * 2)
        assert sorted(reply.status for reply in replies) == [200, 404]
    assert [one["name"] for one in apis[0].get(f"{GROUPS}/{GROUP}/members").ok()["items"]] == [
        "grouped",
        "reader",
    ]


def test_what_comes_back_at_once_comes_back_together(pair: tuple[Team, Team]) -> None:
    apis = [team["admin"] for team in pair]
    first, _ = apis
    role, members = f"{NATIVE}/roles/Curator", f"{NATIVE}/workspaces/{OWN}/members"
    first.put(role, {"actions": ["experiments/*"]}).ok()
    first.put(f"{members}/reader/Curator").ok()
    first.put(f"{GROUPS}/{GROUP}/members/reader").ok()
    for _ in range(ROUNDS):
        for kind, address in (("group", f"{GROUPS}/{GROUP}"), ("role", role)):
            # Given
            user = first.delete(f"{USERS}/reader").ok()["id"]
            other = first.delete(address).ok()["id"]
            # When
            replies = race(apis, [_restoring("user", user), _restoring(kind, other)])
            # Then
            assert [reply.status for reply in replies] == [200, 200]
            assert first.get(f"{USERS}/reader").ok()["groups"] == [GROUP]
            assert "Curator" in _roles(first, "reader")


def test_what_comes_back_while_something_goes_leaves_nothing_behind(pair: tuple[Team, Team]) -> None:
    apis = [team["admin"] for team in pair]
    first, _ = apis
    role = f"{NATIVE}/roles/Curator"
    for _ in range(ROUNDS):
        # Given a deleted user in a group and with a role
        first.put(role, {"actions": ["experiments/*"]}).ok()
        first.put(f"{NATIVE}/workspaces/{OWN}/members/reader/Curator").ok()
        first.put(f"{GROUPS}/{GROUP}/members/reader").ok()
        user = first.delete(f"{USERS}/reader").ok()["id"]
        # When it comes back while the group goes
        restored, deleted = race(apis, [_restoring("user", user), ("DELETE", f"{GROUPS}/{GROUP}", None)])
        assert (restored.status, deleted.status) == (200, 200)
        first.request(*_restoring("group", deleted.body["id"])).ok()
        # Then
        assert first.get(f"{USERS}/reader").ok()["groups"] == [GROUP]
        # When it comes back while its role goes
        user = first.delete(f"{USERS}/reader").ok()["id"]
        restored, deleted = race(apis, [_restoring("user", user), ("DELETE", role, None)])
        # Then either the role is held or it is gone
        assert restored.status == 200
        assert deleted.status == (400 if "Curator" in _roles(first, "reader") else 200)


def _restoring(kind: str, gone: str) -> tuple[str, str, Any]:
    return "POST", f"{NATIVE}/trash/restore", {"items": [{"kind": kind, "id": gone}]}


def _roles(api: Api, name: str) -> list[str]:
    members = api.get(f"{NATIVE}/workspaces/{OWN}/members").ok()["items"]
    return [role for member in members if member["name"] == name for role in member["roles"]]


def _wait_for_admin(pair: tuple[Team, Team]) -> None:
    """Until both servers know that it is an administrator again."""
    deadline = time.monotonic() + 6
    for team in pair:
        while team.api.as_(password=("admin", PASSWORD)).get(USERS).status != 200:
            assert time.monotonic() < deadline
