"""Users and service principals."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.auth.team import FOREIGN, GROUP, NATIVE, OWN, PASSWORD, PEOPLE, Team
from tests.api.conftest import assert_refused

USERS, SERVICES = f"{NATIVE}/users", f"{NATIVE}/service-principals"
NEW = "another good password"


def test_a_user_is_made_and_shown(team: Team) -> None:
    admin = team["admin"]
    sent = {"name": "Grace.H@Navy", "display_name": "Grace", "email": "g@navy.mil", "password": PASSWORD}
    made = admin.post(USERS, sent).ok()
    assert made == {
        "id": made["id"],
        "name": "grace.h@navy",
        "display_name": "Grace",
        "email": "g@navy.mil",
        "has_password": True,
        "external": False,
        "is_admin": False,
        "is_disabled": False,
        "creation_time": made["creation_time"],
    }
    assert admin.get(f"{USERS}/Grace.H@navy").ok() == {**made, "groups": [], "roles": []}
    admin.put(f"{NATIVE}/workspaces/{FOREIGN}/members/grouped/Reader").ok()
    grouped = admin.get(f"{USERS}/grouped").ok()
    assert grouped["groups"] == [GROUP]
    assert grouped["roles"] == [
        {"workspace": OWN, "role": "Data Scientist", "group": GROUP},
        {"workspace": FOREIGN, "role": "Reader", "group": None},
    ]


def test_a_service_principal_is_made_and_shown(team: Team) -> None:
    made = team["admin"].post(SERVICES, {"name": "Robot"}).ok()
    assert made == {
        "id": made["id"],
        "name": "robot",
        "display_name": "Robot",
        "is_admin": False,
        "is_disabled": False,
        "creation_time": made["creation_time"],
    }
    assert team["admin"].get(f"{SERVICES}/robot").ok() == {**made, "groups": [], "roles": []}


def test_what_is_refused(team: Team) -> None:
    good = {"name": "good", "password": PASSWORD}
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "short name": ({**good, "name": "a"}, "name"),
        "long name": ({**good, "name": "a" * 65}, "name"),
        "space": ({**good, "name": "a b"}, "name"),
        "dots": ({**good, "name": ".."}, "name"),
        "letters": ({**good, "name": "jürgen"}, "name"),
        "reserved": ({**good, "name": "Local"}, "name"),
        "short password": ({**good, "password": "short"}, "password"),
        "long password": ({**good, "password": "x" * 1025}, "password"),
        "display name": ({**good, "display_name": "x" * 201}, "display_name"),
        "control": ({**good, "display_name": "a\x1b[2J"}, "display_name"),
        "email": ({**good, "email": "nobody"}, "email"),
    }
    replies = {name: team["admin"].post(USERS, sent) for name, (sent, _) in cases.items()}
    assert_refused(replies, {name: field for name, (_, field) in cases.items()})


@pytest.mark.parametrize("name", ["Reader", GROUP, "program"])
@pytest.mark.parametrize("path", [USERS, SERVICES, f"{NATIVE}/groups"])
def test_all_principals_share_one_space_of_names(team: Team, path: str, name: str) -> None:
    reply = team["admin"].post(path, {"name": name})
    assert reply.error == (400, "RESOURCE_ALREADY_EXISTS")
    assert reply.field == "name"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{USERS}/ghost"),
        ("GET", f"{USERS}/program"),
        ("GET", f"{SERVICES}/reader"),
        ("DELETE", f"{USERS}/{GROUP}"),
        ("DELETE", f"{SERVICES}/reader"),
        ("PATCH", f"{USERS}/ghost"),
    ],
)
def test_one_of_another_kind_is_missing(team: Team, method: str, path: str) -> None:
    assert team["admin"].request(method, path, {}).error == (404, "RESOURCE_DOES_NOT_EXIST")


def test_all_are_listed_page_by_page(team: Team) -> None:
    found, token = [], None
    while True:
        page = team["admin"].get(USERS, {"limit": 4, **({"page_token": token} if token else {})}).ok()
        assert len(page["items"]) <= 4
        found += [user["name"] for user in page["items"]]
        token = page["next_page_token"]
        if token is None:
            break
    assert found == sorted(set(PEOPLE) - {"program"})
    assert [s["name"] for s in team["admin"].get(SERVICES).ok()["items"]] == ["program"]
    groups = team["admin"].get(f"{NATIVE}/groups", {"limit": 1}).ok()
    foreign = team["admin"].get(USERS, {"page_token": "AAAA"})
    assert (groups["next_page_token"], foreign.field) == (None, "page_token")
    assert team["admin"].get(USERS, {"limit": 0}).field == "limit"


def test_a_user_is_changed(team: Team) -> None:
    admin = team["admin"]
    changed = admin.patch(f"{USERS}/reader", {"display_name": "R.", "email": "r@x.org"}).ok()
    assert (changed["display_name"], changed["email"], changed["is_admin"]) == ("R.", "r@x.org", False)
    assert team["reader"].get(USERS).error == (403, "PERMISSION_DENIED")
    admin.patch(f"{USERS}/reader", {"is_admin": True}).ok()
    assert team["reader"].get(USERS).status == 200
    admin.patch(f"{USERS}/reader", {"is_admin": False}).ok()
    assert team["reader"].get(USERS).error == (403, "PERMISSION_DENIED")


@pytest.mark.parametrize(("path", "who"), [(USERS, "reader"), (SERVICES, "program")])
def test_whoever_is_disabled_is_out_until_it_is_enabled(team: Team, path: str, who: str) -> None:
    search = f"{NATIVE}/whoami"
    assert team[who].get(search).status == 200
    team["admin"].patch(f"{path}/{who}", {"is_disabled": True}).ok()
    assert team[who].get(search).error == (401, "UNAUTHENTICATED")
    team["admin"].patch(f"{path}/{who}", {"is_disabled": False}).ok()
    assert team[who].get(search).status == 200


def test_a_principal_takes_everything_with_it(team: Team) -> None:
    # Given a user with a role, a rule, a group and a token
    admin, members = team["admin"], f"{NATIVE}/workspaces/{OWN}/members"
    rule = {"path": "/a", "principal": "reader", "level": "CAN_MANAGE"}
    admin.put(f"{NATIVE}/workspaces/{OWN}/rules", rule).ok()
    admin.put(f"{NATIVE}/groups/{GROUP}/members/reader").ok()
    # When
    admin.delete(f"{USERS}/reader").ok()
    # Then
    assert team["reader"].get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
    assert admin.get(f"{USERS}/reader").status == 404
    # One of the same name is another one.
    admin.post(USERS, {"name": "reader", "password": PASSWORD}).ok()
    assert "reader" not in [m["name"] for m in admin.get(members).ok()["items"]]
    assert admin.get(f"{NATIVE}/workspaces/{OWN}/rules").ok()["items"] == []
    assert admin.get(f"{USERS}/reader").ok()["groups"] == []
    assert admin.get(f"{NATIVE}/tokens", {"user": "reader"}).ok()["items"] == []
    again = team.api.as_(password=("reader", PASSWORD))
    assert again.get("experiments/search").error == (404, "RESOURCE_DOES_NOT_EXIST")


def test_administrators_set_the_passwords_of_others(team: Team) -> None:
    team["admin"].put(f"{USERS}/reader/password", {"password": NEW}).ok()
    assert team.api.as_(password=("reader", NEW)).get(f"{NATIVE}/whoami").status == 200
    assert team["admin"].put(f"{USERS}/ghost/password", {"password": NEW}).status == 404
    assert team["admin"].put(f"{USERS}/program/password", {"password": NEW}).status == 404


def test_ones_own_password_needs_the_old_one(team: Team) -> None:
    path = f"{USERS}/reader/password"
    team["admin"].put(path, {"password": PASSWORD}).ok()
    reader = team.api.as_(password=("reader", PASSWORD))
    replies = {
        "none": reader.put(path, {"password": NEW}),
        "wrong": reader.put(path, {"password": NEW, "old_password": "not this one"}),
        "short": reader.put(path, {"password": "short", "old_password": PASSWORD}),
    }
    assert_refused(replies, {"none": "old_password", "wrong": "old_password", "short": "password"})
    reader.put(path, {"password": NEW, "old_password": PASSWORD}).ok()
    assert reader.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
    assert team.api.as_(password=("reader", NEW)).get(f"{NATIVE}/whoami").status == 200
    # An administrator's own, too.
    assert team["admin"].put(f"{USERS}/admin/password", {"password": NEW}).field == "old_password"


def test_nobody_else_learns_anything_by_setting_passwords(team: Team) -> None:
    replies = [
        team["owner"].put(f"{USERS}/{name}/password", {"password": NEW}) for name in ("admin", "ghost")
    ]
    assert {reply.error for reply in replies} == {(403, "PERMISSION_DENIED")}
    assert replies[0].message == replies[1].message
    # Who has no password can't give itself one by a token that somebody stole.
    own = team["reader"].put(f"{USERS}/reader/password", {"password": NEW})
    assert own.error == (403, "PERMISSION_DENIED")


def test_tries_of_the_old_password_are_limited(team: Team) -> None:
    sent = {"password": NEW, "old_password": "not this one"}
    replies = [team["admin"].put(f"{USERS}/admin/password", sent) for _ in range(12)]
    assert [reply.status for reply in replies] == [400] * 10 + [429] * 2
    assert f"in {replies[-1].headers['retry-after']} seconds" in replies[-1].message


def test_everything_is_noted_and_no_secret(team: Team) -> None:
    admin = team["admin"]
    admin.post(USERS, {"name": "eve", "password": PASSWORD}).ok()
    admin.patch(f"{USERS}/eve", {"is_admin": True, "is_disabled": True}).ok()
    admin.patch(f"{USERS}/eve", {"is_disabled": False}).ok()
    admin.patch(f"{USERS}/eve", {"is_disabled": False}).ok()  # changes nothing
    admin.put(f"{USERS}/eve/password", {"password": NEW}).ok()
    admin.delete(f"{USERS}/eve").ok()
    admin.post(SERVICES, {"name": "robot"}).ok()
    events = team.events()
    assert [event[:5] for event in events] == [
        (0, "admin", "user.create", "user", "eve"),
        (0, "admin", "user.update", "user", "eve"),
        (0, "admin", "user.disable", "user", "eve"),
        (0, "admin", "user.enable", "user", "eve"),
        (0, "admin", "user.password", "user", "eve"),
        (0, "admin", "user.delete", "user", "eve"),
        (0, "admin", "service.create", "service", "robot"),
    ]
    assert events[1].detail == {"is_admin": True, "before": {"is_admin": False}}
    assert not any(secret in str(events) for secret in (PASSWORD, NEW, "argon2"))
