"""GET /workspaces/{workspace}/access: who may read an experiment or a folder, and why. The gate agrees."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from runyard.server.auth.permissions import OF_LEVEL, Level, Permission
from tests.api.auth import people
from tests.api.auth.team import FOREIGN, GROUP, NATIVE, OWN, PEOPLE, Team

AT, RULES = f"{NATIVE}/workspaces/{OWN}/access", f"{NATIVE}/workspaces/{OWN}/rules"
MEMBERS = f"{NATIVE}/workspaces/{OWN}/members"
LEVELS = ("NO_PERMISSION", "CAN_READ", "CAN_EDIT", "CAN_MANAGE")
# What nobody is told of: it comes with writing.
PART = {Permission.ARTIFACT_PART}
MISSING, DENIED = (404, "RESOURCE_DOES_NOT_EXIST"), (403, "PERMISSION_DENIED")


def who(team: Team, caller: str = "owner", **place: Any) -> dict[str, tuple[str | None, list[str]]]:
    """Level and reasons of those who may read at a place, by name."""
    items = team[caller].get(AT, place).ok()["items"]
    assert [one["principal"] for one in items] == sorted(one["principal"] for one in items)
    return {one["principal"]: (one["level"], [_told(why) for why in one["reasons"]]) for one in items}


def _told(why: dict[str, Any]) -> str:
    at = why["path"] if why["experiment_id"] is None else f"{why['experiment_id']} {why['path']}"
    group = None if why["group"] is None else f"by {why['group']}"
    return " ".join(x for x in (why["kind"], why["role"], at, group) if x is not None)


def rule(team: Team, principal: str, level: str, **place: Any) -> None:
    """Set a rule, as the owner."""
    team["owner"].put(RULES, {"principal": principal, "level": level, **place}).ok()


@pytest.fixture
def experiment(team: Team) -> str:
    """The contributor's experiment `/Shared/vision/x`."""
    return team["contributor"].experiment("/Shared/vision/x")


def test_everybody_is_listed_with_the_reason(team: Team, experiment: str) -> None:
    # Given
    everywhere = {
        "admin": ("CAN_MANAGE", ["administrator"]),
        "owner": ("CAN_MANAGE", ["owner Owner"]),
        "program": ("CAN_EDIT", ["role Contributor"]),
        "scientist": ("CAN_EDIT", ["role Data Scientist"]),
        "grouped": ("CAN_EDIT", ["role Data Scientist by team"]),
        "reader": ("CAN_READ", ["role Reader"]),
    }
    creator = {"contributor": ("CAN_MANAGE", [f"rule {experiment} /Shared/vision/x"])}
    assert who(team, experiment_id=experiment) == everywhere | creator
    assert who(team, path="/Shared/vision/") == everywhere | {
        "contributor": ("CAN_EDIT", ["role Contributor"])
    }
    # When rules decide: the nearest one, and at one place the strongest
    rule(team, "stranger", "CAN_READ", path="/Shared")
    rule(team, "reader", "CAN_EDIT", path="/")
    rule(team, "scientist", "NO_PERMISSION", path="/Shared/vision")
    rule(team, "scientist", "CAN_MANAGE", path="/Shared")
    rule(team, GROUP, "CAN_READ", path="/Shared/vision")
    rule(team, "owner", "NO_PERMISSION", experiment_id=experiment)
    # Then
    wanted = everywhere | creator
    del wanted["scientist"]
    wanted |= {
        "stranger": ("CAN_READ", ["rule /Shared"]),
        "reader": ("CAN_EDIT", ["rule /"]),
        "grouped": ("CAN_READ", ["rule /Shared/vision by team"]),
    }
    assert who(team, experiment_id=experiment) == wanted
    # When two ways lead to the same
    rule(team, "grouped", "CAN_READ", path="/Shared/vision")
    team["owner"].put(f"{MEMBERS}/{GROUP}/Owner").ok()
    assert who(team, experiment_id=experiment)["grouped"] == ("CAN_MANAGE", ["owner Owner by team"])
    team["owner"].delete(f"{MEMBERS}/{GROUP}/Owner").ok()
    assert who(team, experiment_id=experiment)["grouped"] == (
        "CAN_READ",
        ["rule /Shared/vision", "rule /Shared/vision by team"],
    )


def test_roles_of_ones_own_give_what_they_say(team: Team, experiment: str) -> None:
    for name, actions in (("Peeker", ["experiments/read"]), ("Runner", ["experiments/runs/*"])):
        team["admin"].put(f"{NATIVE}/roles/{name}", {"actions": actions}).ok()
    team["owner"].put(f"{MEMBERS}/stranger/Peeker").ok()
    team["owner"].put(f"{MEMBERS}/stranger/Compute%20Operator").ok()
    team["owner"].put(f"{MEMBERS}/operator/Runner").ok()
    found = who(team, experiment_id=experiment)
    assert found["stranger"] == (None, ["role Peeker"])
    assert "operator" not in found
    assert team["stranger"].get("experiments/get", {"experiment_id": experiment}).status == 200
    assert team["operator"].get("experiments/get", {"experiment_id": experiment}).error == DENIED


def test_who_can_sign_in_no_more_is_not_listed(team: Team, experiment: str) -> None:
    people.disable(team.url, "reader")
    assert "reader" not in who(team, experiment_id=experiment)


def test_the_list_comes_in_pages(team: Team, experiment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.server.auth.service.holders._BATCH", 2)
    rule(team, "operator", "NO_PERMISSION", path="/")
    rule(team, "program", "NO_PERMISSION", path="/")
    whole = team["owner"].get(AT, {"experiment_id": experiment}).ok()["items"]
    for limit in (1, 2, 4):
        found, token = [], None
        while True:
            query = {"experiment_id": experiment, "limit": limit, **({"page_token": token} if token else {})}
            page = team["owner"].get(AT, query).ok()
            found += page["items"]
            token = page["next_page_token"]
            if token is None:
                break
        assert found == whole
    token = team["owner"].get(AT, {"path": "/", "limit": 1}).ok()["next_page_token"]
    assert team["owner"].get(AT, {"experiment_id": experiment, "page_token": token}).status == 400


def test_it_takes_what_setting_a_rule_does(team: Team, experiment: str) -> None:
    rule(team, "stranger", "CAN_READ", experiment_id=experiment)
    rule(team, "grouped", "CAN_EDIT", experiment_id=experiment)
    rule(team, "operator", "CAN_MANAGE", path="/Shared")
    rule(team, "scientist", "NO_PERMISSION", path="/Shared")
    rule(team, "scientist", "CAN_MANAGE", path="/mine")
    for caller, error in (
        ("owner", (200, None)),
        ("admin", (200, None)),
        ("contributor", (200, None)),
        ("operator", (200, None)),
        ("program", DENIED),
        ("grouped", DENIED),
        ("reader", DENIED),
        ("stranger", DENIED),
        ("scientist", MISSING),
        ("foreigner", MISSING),
    ):
        reply = team[caller].get(AT, {"experiment_id": experiment})
        assert (caller, reply.error) == (caller, error)
    # And there only, and by no token that is for tracking
    assert team["contributor"].get(AT, {"path": "/Shared"}).error == DENIED
    tracking = team["owner"].post(f"{NATIVE}/tokens/tracking", {}).ok()["token"]
    assert team.api.as_(tracking).get(AT, {"experiment_id": experiment}).error == DENIED
    assert team.nobody.get(AT, {"experiment_id": experiment}).status == 401
    assert team["owner"].get(AT).error == (400, "INVALID_PARAMETER_VALUE")
    assert team["owner"].get(AT, {"path": "/a", "experiment_id": experiment}).field == "path"
    assert team["owner"].get(AT, {"experiment_id": "9999"}).error == MISSING


def test_the_experiment_0_is_that_of_the_workspace(team: Team) -> None:
    foreigner, at = team.of("foreigner", workspace=FOREIGN), f"{NATIVE}/workspaces/{FOREIGN}"
    sent = {"experiment_id": "0", "principal": "stranger", "level": "CAN_READ"}
    foreigner.put(f"{at}/rules", sent).ok()
    found = foreigner.get(f"{at}/access", {"experiment_id": "0"}).ok()["items"]
    assert [one["principal"] for one in found] == ["admin", "foreigner", "stranger"]
    assert "stranger" not in who(team, experiment_id="0")


def _random(choose: random.Random, experiment: str, other: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests of the owner that change who may do what."""
    places: list[dict[str, str]] = [
        *({"path": path} for path in ("/", "/Shared", "/Shared/vision", "/Shared/vision/x", "/Sha", "/else")),
        {"experiment_id": experiment},
        {"experiment_id": other},
    ]
    roles = ("Owner", "Contributor", "Data%20Scientist", "Compute%20Operator", "Reader", "Half", "Peeker")
    for _ in range(12):
        name = choose.choice([*(one for one in PEOPLE if one != "owner"), GROUP])
        if choose.random() < 0.6:
            sent = {"principal": name, "level": choose.choice(LEVELS), **choose.choice(places)}
            yield RULES, sent
        else:
            yield f"{MEMBERS}/{name}/{choose.choice(roles)}", {}


@pytest.mark.parametrize("seed", range(8))
def test_the_gate_agrees(team: Team, experiment: str, seed: int) -> None:
    # Given people with roles and rules as they come
    for name, actions in (
        ("Half", ["experiments/*", "metadata/artifacts/read", "loggedModels/read"]),
        ("Peeker", ["experiments/read"]),
    ):
        team["admin"].put(f"{NATIVE}/roles/{name}", {"actions": actions}).ok()
    other = team["owner"].experiment("/Shared/vision/y")
    for path, sent in _random(random.Random(seed), experiment, other):
        team["owner"].put(path, sent).ok()
    for place in ({"experiment_id": experiment}, {"experiment_id": other}, {"path": "/Shared/vision"}):
        found = who(team, **place)
        for name in PEOPLE:
            # Then what is told of somebody is what it holds,
            told = team["owner"].get(RULES, {**place, "principal": name}).ok()["effective"]
            held = {Permission(permission) for permission in told["permissions"]}
            assert (name in found) == (Permission.EXPERIMENT_READ in held), (name, place)
            if name in found:
                wanted = next((x for x in list(Level)[:0:-1] if OF_LEVEL[x] - PART <= held), None)
                level, reasons = found[name]
                assert (told["level"], [_told(why) for why in told["reasons"]]) == (level, reasons)
                assert level == (None if wanted is None else f"CAN_{wanted.name}"), (name, place)
                assert reasons
            # and what it can do
            if "experiment_id" in place:
                seen = team[name].get("experiments/get", place)
                tagged = team[name].post(
                    "experiments/set-experiment-tag", {**place, "key": "k", "value": "v"}
                )
                assert (seen.status == 200) == (name in found)
                assert (tagged.status == 200) == (name in found and Permission.EXPERIMENT_WRITE in held)


def test_what_others_may_is_told_to_those_who_manage(team: Team) -> None:
    sent = {"path": "/", "principal": "grouped"}
    told = {who: team[who].get(RULES, sent).ok()["effective"] for who in ("owner", "grouped")}
    assert told["grouped"] == told["owner"]
    assert [why["group"] for why in told["owner"]["reasons"]] == [GROUP]
    assert team["reader"].get(RULES, sent).error == (403, "PERMISSION_DENIED")
    assert team["reader"].get(RULES, {"path": "/"}).status == 200
