"""Tokens: what they open, for how long, and what they can't do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from runyard.server.auth.service.issuing import MAX_VALID
from runyard.server.auth.tables import token as token_table
from runyard.server.auth.types import TokenKind
from runyard.server.db import Database, Query
from runyard.server.kernel import clock
from tests.api.auth.team import DAY, FOREIGN, NATIVE, OWN, PASSWORD, Team, opened, populate
from tests.api.conftest import Api, Reply, assert_refused, serve

TOKENS = f"{NATIVE}/tokens"
WHOAMI = f"{NATIVE}/whoami"
HOUR = 3_600_000


@pytest.fixture
def signed_in(team: Team) -> Api:
    """The administrator by its password: no token sets limits to the tokens that it makes."""
    return team.api.as_(password=("admin", PASSWORD))


def _about(milliseconds: int, made: dict[str, Any]) -> bool:
    lives: int = made["expiry_time"] - made["creation_time"]
    return milliseconds - 60_000 <= lives <= milliseconds


def test_a_personal_token_is_shown_once_and_opens(team: Team, signed_in: Api) -> None:
    made = signed_in.post(TOKENS, {"name": " laptop "}).ok()
    assert made["token"].startswith("ryp_")
    assert (made["kind"], made["name"], made["owner"]) == ("personal", "laptop", "admin")
    assert (made["workspace"], made["run_id"], made["last_used_time"]) == (None, None, None)
    assert _about(90 * DAY, made)
    assert team.api.as_(made["token"]).get(WHOAMI).ok()["credential"] == "personal token laptop"
    # As a client sends one that stands in an address.
    assert team.api.as_(password=("any", made["token"])).get(WHOAMI).ok()["name"] == "admin"
    listed = signed_in.get(TOKENS).ok()["items"]
    assert [token["name"] for token in listed] == ["laptop", "test"]
    assert "token" not in listed[0]
    assert made["token"] not in str(team.events())


def test_the_last_use_is_noted(team: Team, signed_in: Api) -> None:
    made = signed_in.post(TOKENS, {"name": "laptop"}).ok()
    team.api.as_(made["token"]).get(WHOAMI).ok()
    deadline = time.monotonic() + 10
    while (used := signed_in.get(TOKENS).ok()["items"][0]["last_used_time"]) is None:
        assert time.monotonic() < deadline
    assert made["creation_time"] <= used <= clock.now_ms()


def test_a_revoked_token_is_refused_at_once(team: Team, signed_in: Api) -> None:
    made = signed_in.post(TOKENS, {"name": "laptop"}).ok()
    other = team.api.as_(made["token"])
    assert other.get(WHOAMI).status == 200
    signed_in.delete(f"{TOKENS}/{made['id']}").ok()
    assert other.get(WHOAMI).error == (401, "UNAUTHENTICATED")
    assert signed_in.delete(f"{TOKENS}/{made['id']}").status == 404
    assert signed_in.delete(f"{TOKENS}/x").field == "id"
    assert [(e.action, e.target) for e in team.events()] == [
        ("token.create", made["id"]),
        ("token.revoke", made["id"]),
    ]


def test_nobody_sees_or_revokes_the_tokens_of_others(team: Team) -> None:
    (own,) = team["admin"].get(TOKENS).ok()["items"]
    (reader,) = team["admin"].get(TOKENS, {"user": "Reader"}).ok()["items"]
    assert team["reader"].get(TOKENS, {"user": "admin"}).error == (403, "PERMISSION_DENIED")
    assert team["reader"].delete(f"{TOKENS}/{own['id']}").error == (404, "RESOURCE_DOES_NOT_EXIST")
    assert team["admin"].get(TOKENS, {"user": "ghost"}).status == 404
    team["admin"].delete(f"{TOKENS}/{reader['id']}").ok()
    assert team["reader"].get(WHOAMI).status == 401


def test_what_is_refused(signed_in: Api) -> None:
    sent: dict[str, tuple[dict[str, Any], str]] = {
        "no name": ({"name": " "}, "name"),
        "long name": ({"name": "x" * 101}, "name"),
        "no day": ({"name": "x", "days": 0}, "days"),
        "too many days": ({"name": "x", "days": 367}, "days"),
    }
    replies = {case: signed_in.post(TOKENS, body) for case, (body, _) in sent.items()}
    assert_refused(replies, {case: field for case, (_, field) in sent.items()})
    assert signed_in.post(f"{TOKENS}/tracking", {"seconds": 3601}).field == "seconds"
    assert signed_in.post(TOKENS, {"name": "x", "workspace": "missing"}).status == 404
    assert signed_in.post(TOKENS, {"name": "x", "principal": "ghost"}).status == 404


def test_administrators_make_tokens_for_programs_only(team: Team, signed_in: Api) -> None:
    made = signed_in.post(TOKENS, {"name": "ci", "principal": "Program", "days": 366}).ok()
    assert (made["owner"], _about(366 * DAY, made)) == ("program", True)
    assert team.api.as_(made["token"]).get(WHOAMI).ok()["name"] == "program"
    for name in ("reader", "team"):
        reply = signed_in.post(TOKENS, {"name": "x", "principal": name})
        assert reply.error == (403, "PERMISSION_DENIED")
    reply = team["owner"].post(TOKENS, {"name": "x", "principal": "program"})
    assert reply.error == (403, "PERMISSION_DENIED")


def test_a_token_of_one_workspace_opens_no_other_and_not_the_server(team: Team, signed_in: Api) -> None:
    made = signed_in.post(TOKENS, {"name": "x", "workspace": FOREIGN}).ok()
    assert made["workspace"] == FOREIGN
    inside, outside = (team.api.as_(made["token"], workspace=name) for name in (FOREIGN, OWN))
    inside.post("experiments/create", {"name": "x"}).ok()
    assert outside.post("experiments/create", {"name": "x"}).status == 404
    assert "You may enter: other (`-w other`" in outside.get("experiments/search").message
    for api in (inside, outside):
        refused = api.get(f"{NATIVE}/users")
        assert refused.error == (403, "PERMISSION_DENIED")
        assert "a token for one workspace gives nothing on the server" in refused.message
        assert "a personal token that isn't bound to a workspace" in refused.message
        assert api.post(f"{NATIVE}/users", {"name": "eve"}).error == (403, "PERMISSION_DENIED")
        own = {"password": PASSWORD + "!", "old_password": PASSWORD}
        assert api.put(f"{NATIVE}/users/admin/password", own).error == (403, "PERMISSION_DENIED")
        # It manages only what is for its workspace.
        assert [token["name"] for token in api.get(TOKENS).ok()["items"]] == ["x"]
        (all_of_them,) = [t for t in signed_in.get(TOKENS).ok()["items"] if t["name"] == "test"]
        assert api.delete(f"{TOKENS}/{all_of_them['id']}").status == 404
    assert team["reader"].post(TOKENS, {"name": "x", "workspace": FOREIGN}).status == 404


def test_a_token_makes_none_that_can_do_more_or_lives_longer(team: Team, signed_in: Api) -> None:
    short = signed_in.post(TOKENS, {"name": "short", "days": 2, "workspace": OWN}).ok()
    maker = team.api.as_(short["token"])
    child = maker.post(TOKENS, {"name": "child"}).ok()
    assert (child["workspace"], child["expiry_time"]) == (OWN, short["expiry_time"])
    assert maker.post(TOKENS, {"name": "child", "days": 1, "workspace": OWN}).status == 200
    for body in ({"days": 3}, {"workspace": FOREIGN}, {"principal": "program"}):
        reply = maker.post(TOKENS, {"name": "child", **body})
        assert reply.error == (403, "PERMISSION_DENIED"), body
    # And it says how to get one
    assert "runyard login --days" in maker.post(TOKENS, {"name": "child", "days": 3}).message
    # Of its own length it makes one, which ends with it
    child = maker.post(TOKENS, {"name": "child", "days": 2}).ok()
    assert child["expiry_time"] == short["expiry_time"]


def test_a_tracking_token_tracks_for_an_hour_at_most(team: Team) -> None:
    made = team["scientist"].post(f"{TOKENS}/tracking").ok()
    assert made["token"].startswith("ryt_")
    assert (made["kind"], made["workspace"], _about(HOUR, made)) == ("tracking", OWN, True)
    tracking = team.api.as_(made["token"])
    run = tracking.run()
    tracking.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1}).ok()
    assert tracking.get(WHOAMI).ok()["credential"] == "tracking token"
    ten = team["scientist"].post(f"{TOKENS}/tracking", {"seconds": 600}).ok()
    assert _about(600_000, ten)
    elsewhere = team.of("foreigner", workspace=FOREIGN).post(f"{TOKENS}/tracking").ok()
    assert elsewhere["workspace"] == FOREIGN
    assert team.api.as_(elsewhere["token"], workspace=OWN).get("experiments/search").status == 404


@pytest.mark.parametrize("kind", ["tracking", "run", "personal"])
def test_a_token_of_one_workspace_needs_not_name_it(team: Team, signed_in: Api, kind: str) -> None:
    # Given
    foreigner = team.of("foreigner", workspace=FOREIGN)
    run = foreigner.run()
    if kind == "personal":
        made = signed_in.post(TOKENS, {"name": "x", "workspace": FOREIGN}).ok()
    else:
        made = foreigner.post(f"{TOKENS}/{kind}", {"run_id": run}).ok()
    bound, named = team.api.as_(made["token"]), team.api.as_(made["token"], workspace=OWN)
    # When, again and again, in whatever order
    for _ in range(2):
        # Then
        assert bound.get("runs/get", {"run_id": run}).status == 200
        assert named.get("runs/get", {"run_id": run}).error == (404, "RESOURCE_DOES_NOT_EXIST")
        me = bound.get(WHOAMI).ok()
        assert (me["workspace"], me["one_workspace"]) == (FOREIGN, True)
        assert bound.get(f"/w/{OWN}/api/2.0/mlflow/runs/get", {"run_id": run}).status == 404
    bound.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1}).ok()
    # A token for everything still means the default workspace
    assert team["admin"].get(WHOAMI).ok()["workspace"] == OWN
    assert team["foreigner"].get("experiments/search").status == 404


def test_who_may_not_enter_is_told_where_to_go(team: Team) -> None:
    refused = team["foreigner"].get("experiments/search")
    assert refused.message == (
        "There is no workspace 'default' that you may enter. You may enter: other (`-w other`, `runyard "
        "workspace use other`, MLFLOW_WORKSPACE=other, or /w/other behind the server's address)."
    )
    nowhere = team["stranger"].get("experiments/search")
    assert nowhere.message.endswith(
        "You have no role in any workspace yet: ask an administrator of the server for one."
    )
    # Once there is a role, at once; a workspace in the trash is none to go to.
    team.of("foreigner", workspace=FOREIGN).put(f"{NATIVE}/workspaces/{FOREIGN}/members/stranger/Reader").ok()
    assert "You may enter: other" in team["stranger"].get("experiments/search").message
    team["admin"].delete(f"{NATIVE}/workspaces/{FOREIGN}").ok()
    assert "no role in any workspace" in team["stranger"].get("experiments/search").message
    assert "no role in any workspace" in team["foreigner"].get("experiments/search").message


def test_what_belongs_to_the_server_is_said_so(team: Team) -> None:
    reply = team["owner"].request("PATCH", f"{NATIVE}/workspaces/{OWN}/quotas", {"limits": {}})
    assert reply.error == (403, "PERMISSION_DENIED")
    assert reply.message == "owner may not do this: only administrators of the server may."


@pytest.mark.parametrize(
    ("who", "workspace", "status"),
    [("reader", OWN, 403), ("operator", OWN, 403), ("stranger", OWN, 404), ("owner", FOREIGN, 404)],
)
def test_who_may_not_write_runs_gets_no_tracking_token(
    team: Team, who: str, workspace: str, status: int
) -> None:
    assert team.of(who, workspace=workspace).post(f"{TOKENS}/tracking").status == status


@pytest.mark.parametrize("kind", ["tracking", "run"])
def test_tracking_and_run_tokens_administer_nothing(team: Team, kind: str) -> None:
    # Given such a token of an administrator
    run = team["admin"].run()
    made = team["admin"].post(f"{TOKENS}/{kind}", {"run_id": run}).ok()
    api = team.api.as_(made["token"])
    denied = [
        api.post(TOKENS, {"name": "x"}),
        api.post(f"{TOKENS}/tracking"),
        api.post(f"{TOKENS}/run", {"run_id": run}),
        api.get(TOKENS),
        api.delete(f"{TOKENS}/{made['id']}"),
        api.put(f"{NATIVE}/users/admin/password", {"password": PASSWORD, "old_password": PASSWORD}),
        api.get(f"{NATIVE}/users"),
        api.put(f"{NATIVE}/roles/Odd", {"actions": ["*"]}),
        api.put(f"{NATIVE}/workspaces/{OWN}/members/reader/Owner"),
        api.put(
            f"{NATIVE}/workspaces/{OWN}/rules", {"path": "/", "principal": "reader", "level": "CAN_MANAGE"}
        ),
    ]
    assert {reply.error for reply in denied} == {(403, "PERMISSION_DENIED")}
    # And none sends anybody to somebody who can't help.
    assert not any("Ask an owner" in reply.message for reply in denied)
    assert f"a {kind} token is for" in denied[-1].message
    assert "send a personal token" in denied[-1].message


class TestOfRuns:
    """Tokens for one run."""

    @pytest.fixture
    def run(self, team: Team) -> str:
        """A run of the scientist's."""
        return team["scientist"].run()

    def test_it_reaches_its_run_and_no_other(self, team: Team, run: str) -> None:
        made = team["scientist"].post(f"{TOKENS}/run", {"run_id": run}).ok()
        assert made["token"].startswith("ryr_")
        assert (made["kind"], made["workspace"], made["run_id"]) == ("run", OWN, run)
        assert _about(30 * DAY, made)
        api, point = team.api.as_(made["token"]), {"key": "m", "value": 1, "timestamp": 1}
        api.post("runs/log-metric", {"run_id": run, **point}).ok()
        other = team["scientist"].run()
        assert api.post("runs/log-metric", {"run_id": other, **point}).status == 404
        assert api.get("runs/get", {"run_id": other}).status == 404

    @pytest.mark.parametrize(("who", "status"), [("reader", 403), ("stranger", 404), ("foreigner", 404)])
    def test_who_may_not_write_to_it_gets_none(self, team: Team, run: str, who: str, status: int) -> None:
        assert team[who].post(f"{TOKENS}/run", {"run_id": run}).status == status

    def test_a_run_elsewhere_is_missing(self, team: Team, run: str) -> None:
        foreigner = team.of("foreigner", workspace=FOREIGN)
        assert foreigner.post(f"{TOKENS}/run", {"run_id": run}).error == (404, "RESOURCE_DOES_NOT_EXIST")
        rule = {"path": "/", "principal": "scientist", "level": "NO_PERMISSION"}
        team["owner"].put(f"{NATIVE}/workspaces/{OWN}/rules", rule).ok()
        own = {"experiment_id": "0", "principal": "reader", "level": "CAN_EDIT"}
        team["owner"].put(f"{NATIVE}/workspaces/{OWN}/rules", own).ok()
        hidden = team["owner"].run()
        assert team["scientist"].post(f"{TOKENS}/run", {"run_id": hidden}).status == 404

    @pytest.mark.parametrize(
        "end",
        [
            ("runs/update", {"status": "FINISHED"}),
            ("runs/update", {"status": "KILLED", "end_time": 5}),
            ("runs/delete", {}),
            ("experiments/delete", {}),
        ],
    )
    def test_it_ends_an_hour_after_its_run(self, team: Team, run: str, end: tuple[str, Any]) -> None:
        scientist = team["scientist"]
        experiment = scientist.get("runs/get", {"run_id": run}).ok()["run"]["info"]["experiment_id"]
        other = scientist.run(experiment if end[0] != "experiments/delete" else None)
        for each in (run, other):
            scientist.post(f"{TOKENS}/run", {"run_id": each}).ok()
        # When
        scientist.post("runs/update", {"run_id": run, "status": "RUNNING"}).ok()
        scientist.post(end[0], {"run_id": run, "experiment_id": experiment, **end[1]}).ok()
        # Then
        found = {token["run_id"]: token for token in scientist.get(TOKENS).ok()["items"]}
        left = found[run]["expiry_time"] - clock.now_ms()
        assert HOUR - 60_000 < left <= HOUR
        assert found[other]["expiry_time"] - clock.now_ms() > 29 * DAY

    def test_of_a_run_that_is_over_it_lives_an_hour(self, team: Team, run: str) -> None:
        team["scientist"].post("runs/update", {"run_id": run, "status": "FAILED"}).ok()
        assert _about(HOUR, team["scientist"].post(f"{TOKENS}/run", {"run_id": run}).ok())
        team["scientist"].post("runs/delete", {"run_id": run}).ok()
        assert team["scientist"].post(f"{TOKENS}/run", {"run_id": run}).status == 400


def _set_expiry(database: Database, token: int | None, at: int) -> None:
    statement = update(token_table).values(expiry_time=at)
    if token is not None:
        statement = statement.where(token_table.c.id == token)
    database.write_from_thread(lambda tx: tx.execute(Query(statement)))


def test_long_expired_tokens_are_deleted(database_url: str, tmp_path: Path) -> None:
    # Given tokens that expired 31 days ago
    with opened(database_url) as database:
        secrets = populate(database)
        _set_expiry(database, None, clock.now_ms() - 31 * DAY)
    # When the server starts
    with serve(data=str(tmp_path), database=database_url) as api:
        # Then nobody knows them any more
        reader, deadline = api.as_(secrets["reader"]), time.monotonic() + 10
        while "has expired" in (message := reader.get(WHOAMI).message):
            assert time.monotonic() < deadline
        assert "isn't one that this server gave" in message


class TestExpired:
    """Tokens whose time is over."""

    @pytest.fixture
    def expired(self, team: Team, database_url: str, signed_in: Api) -> dict[str, Any]:
        """One that expired a second ago."""
        made: dict[str, Any] = signed_in.post(TOKENS, {"name": "old"}).ok()
        with opened(database_url) as database:
            _set_expiry(database, int(made["id"]), clock.now_ms() - 1000)
        return made

    def test_it_says_what_to_do(self, team: Team, expired: dict[str, Any]) -> None:
        reply = team.api.as_(expired["token"]).get(WHOAMI)
        assert reply.error == (401, "UNAUTHENTICATED")
        assert "has expired" in reply.message
        assert "runyard login" in reply.message

    def test_it_is_listed_for_whoever_asks(self, signed_in: Api, expired: dict[str, Any]) -> None:
        assert expired["id"] not in [t["id"] for t in signed_in.get(TOKENS).ok()["items"]]
        listed = signed_in.get(TOKENS, {"expired": "true"}).ok()["items"]
        assert expired["id"] in [token["id"] for token in listed]

    def test_all_are_listed_page_by_page(self, signed_in: Api, expired: dict[str, Any]) -> None:
        names = [signed_in.post(TOKENS, {"name": f"t{i}"}).ok()["name"] for i in range(4)]
        found, token = [], None
        while True:
            more: dict[str, str] = {"page_token": token} if token else {}
            page = signed_in.get(TOKENS, {"limit": 2, "expired": "true", **more}).ok()
            found += [one["name"] for one in page["items"]]
            token = page["next_page_token"]
            if token is None:
                break
        assert sorted(found) == sorted([*names, expired["name"], "test"])


@pytest.mark.parametrize("kind", ["personal", "tracking", "run"])
def test_a_principal_has_so_many_valid_tokens_and_no_more(
    team: Team, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    # Given
    monkeypatch.setitem(MAX_VALID, TokenKind[kind.upper()], 3)
    owner, other = team["owner"], team["scientist"]
    run = owner.run()

    def make(api: Api) -> Reply:
        path, sent = {
            "personal": (TOKENS, {"name": "x"}),
            "tracking": (f"{TOKENS}/tracking", {}),
            "run": (f"{TOKENS}/run", {"run_id": run}),
        }[kind]
        return api.post(path, sent)

    there = 1 if kind == "personal" else 0
    made = [make(owner).ok() for _ in range(3 - there)]
    # When
    refused = make(owner)
    # Then
    assert refused.error == (403, "QUOTA_EXCEEDED")
    assert "'owner' has 3 " in refused.message
    assert "runyard token revoke" in refused.message
    assert make(other).status == 200
    # And what is revoked, or has expired, doesn't count
    owner.delete(f"{TOKENS}/{made[0]['id']}").ok()
    make(owner).ok()
    assert make(owner).error == (403, "QUOTA_EXCEEDED")
    with opened(team.url) as database:
        old = update(token_table).where(token_table.c.id == int(made[1]["id"])).values(expiry_time=1)
        database.write_from_thread(lambda tx: tx.execute(Query(old)))
    make(owner).ok()
