"""Everybody learns who it is and what it may do."""

from __future__ import annotations

import pytest

from runyard.server.auth import Permission
from runyard.server.auth.rules import BUILT_IN, permissions_of
from tests.api.auth.team import FOREIGN, NATIVE, OWN, PASSWORD, Team
from tests.api.conftest import Api

WHOAMI = f"{NATIVE}/whoami"


def test_without_login_the_caller_is_an_administrator(api: Api) -> None:
    told = api.get(WHOAMI).ok()
    assert (told["name"], told["kind"], told["is_admin"]) == ("local", "local", True)
    assert (told["workspace"], told["login_required"], told["credential"]) == ("default", False, "none")
    assert "server/users/write" in told["permissions"]


@pytest.mark.parametrize(
    ("who", "role"),
    [
        ("contributor", "Contributor"),
        ("scientist", "Data Scientist"),
        ("grouped", "Data Scientist"),
        ("program", "Contributor"),
        ("operator", "Compute Operator"),
        ("reader", "Reader"),
    ],
)
def test_members_learn_their_roles_and_permissions(team: Team, who: str, role: str) -> None:
    told = team[who].get(WHOAMI).ok()
    assert (told["name"], told["workspace"], told["roles"]) == (who, OWN, [role])
    assert set(told["permissions"]) == {
        p.value for p in permissions_of([BUILT_IN[role]]) - {Permission.ARTIFACT_PART}
    }
    assert (told["credential"], told["login_required"], told["somewhere"]) == (
        "personal token test",
        True,
        [],
    )
    assert told["kind"] == ("service" if who == "program" else "user")


def test_an_owner_has_everything_but_the_server(team: Team) -> None:
    told = team["owner"].get(WHOAMI).ok()["permissions"]
    assert Permission.WORKSPACE_DELETE.value in told
    assert not any(name.startswith("server/") for name in told)


def test_what_a_rule_gives_is_told_apart(team: Team) -> None:
    team["owner"].put(
        f"{NATIVE}/workspaces/{OWN}/rules", {"path": "/a", "principal": "reader", "level": "CAN_EDIT"}
    ).ok()
    assert "experiments/runs/write" in team["reader"].get(WHOAMI).ok()["somewhere"]


@pytest.mark.parametrize(("who", "workspace"), [("stranger", OWN), ("owner", FOREIGN), ("owner", "missing")])
def test_a_workspace_that_one_may_not_enter_is_none(team: Team, who: str, workspace: str) -> None:
    told = team.of(who, workspace=workspace).get(WHOAMI).ok()
    assert (told["name"], told["workspace"], told["roles"], told["permissions"]) == (who, None, [], [])


def test_a_password_is_a_credential_without_end(team: Team) -> None:
    told = team.api.as_(password=("Admin", PASSWORD)).get(WHOAMI).ok()
    assert (told["workspace"], told["one_workspace"]) == (OWN, False)
    assert (told["name"], told["credential"], told["expiry_time"]) == ("admin", "password", None)


def test_nobody_is_told_to_sign_in(team: Team) -> None:
    assert team.nobody.get(WHOAMI).error == (401, "UNAUTHENTICATED")
