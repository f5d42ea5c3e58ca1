"""Built-in and custom roles, and who has them in a workspace."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runyard.server.auth import Permission
from runyard.server.auth.rules import BUILT_IN, permissions_of
from tests.api.auth.team import FOREIGN, GROUP, NATIVE, OWN, ROLES, Team
from tests.api.conftest import assert_refused

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "roles-and-permissions.md"
ROLE = f"{NATIVE}/roles/Curator"
MEMBERS = f"{NATIVE}/workspaces/{OWN}/members"
CURATOR = {"description": "Keeps order.", "actions": ["experiments/*"], "not_actions": ["*/runs/*"]}


def test_all_roles_are_shown_with_what_they_come_to(team: Team) -> None:
    team["admin"].put(ROLE, CURATOR).ok()
    found = {role["name"]: role for role in team["reader"].get(f"{NATIVE}/roles").ok()["items"]}
    assert list(found) == [*BUILT_IN, "Curator"]
    for name, role in BUILT_IN.items():
        given = permissions_of([role]) - {Permission.ARTIFACT_PART}
        assert set(found[name]["permissions"]) == {p.value for p in given}
        assert found[name]["built_in"] is True
    assert found["Curator"] == {
        "name": "Curator",
        **CURATOR,
        "built_in": False,
        "permissions": [
            "experiments/read",
            "experiments/write",
            "experiments/delete",
            "experiments/permissions/read",
            "experiments/permissions/write",
        ],
    }
    assert team["reader"].get(ROLE).ok() == found["Curator"]
    assert team["reader"].get(f"{NATIVE}/roles/ghost").status == 404


def test_a_role_that_changes_does_so_for_all_who_have_it(team: Team) -> None:
    admin, create = team["admin"], "experiments/create"
    admin.put(ROLE, CURATOR).ok()
    admin.put(f"{MEMBERS}/stranger/Curator").ok()
    team["stranger"].post(create, {"name": "a"}).ok()
    admin.put(ROLE, {"actions": ["*/read"]}).ok()
    assert team["stranger"].post(create, {"name": "b"}).error == (403, "PERMISSION_DENIED")
    before = {key: CURATOR[key] for key in ("actions", "not_actions")}
    assert [event.detail for event in team.events("role.set")] == [
        before,
        {"actions": ["*/read"], "not_actions": [], "before": before},
    ]


def test_what_is_refused(team: Team) -> None:
    sent: dict[str, tuple[str, dict[str, Any], str]] = {
        "built in": ("Owner", {"actions": ["*"]}, "name"),
        "built in, lower case": ("data scientist", {"actions": ["*"]}, "name"),
        "odd name": ("-x-", {"actions": ["*"]}, "name"),
        "short name": ("x", {"actions": ["*"]}, "name"),
        "nothing": ("Odd", {"actions": ["models/*"]}, "actions[0]"),
        "second": ("Odd", {"actions": ["experiments/read", ""]}, "actions[1]"),
        "server": ("Odd", {"actions": ["server/users/write"]}, "actions[0]"),
        "not actions": ("Odd", {"actions": ["*"], "not_actions": ["typo/read"]}, "not_actions[0]"),
        "stars": ("Odd", {"actions": ["*" * 30 + "x"]}, "actions[0]"),
        "many": ("Odd", {"actions": ["*"] * 101}, "actions"),
        "no actions": ("Odd", {"actions": []}, "actions"),
        "all taken away": ("Odd", {"actions": ["experiments/*"], "not_actions": ["*"]}, "not_actions"),
        "taken away": ("Odd", {"actions": ["*/delete"], "not_actions": ["*/DELETE"]}, "not_actions"),
        "coming, taken away": ("Odd", {"actions": ["compute/start"], "not_actions": ["*"]}, "not_actions"),
        "scopes": ("Odd", {"actions": ["*"], "assignable_scopes": ["/", "/w/a"]}, "assignable_scopes"),
        "description": ("Odd", {"actions": ["*"], "description": "x" * 1001}, "description"),
    }
    replies = {
        case: team["admin"].put(f"{NATIVE}/roles/{name}", body) for case, (name, body, _) in sent.items()
    }
    assert_refused(replies, {case: field for case, (_, _, field) in sent.items()})
    assert "administrators" in replies["server"].message
    assert "runyard workspace assign" in replies["scopes"].message
    team["admin"].put(ROLE, {"actions": ["compute/start", "Experiments/READ"]}).ok()
    team["admin"].put(ROLE, {"actions": ["compute/*"], "not_actions": ["compute/delete"]}).ok()
    team["admin"].put(ROLE, {"actions": ["*"], "assignable_scopes": ["/"]}).ok()


def test_a_role_that_somebody_has_stays(team: Team) -> None:
    admin = team["admin"]
    admin.put(ROLE, CURATOR).ok()
    admin.put(f"{MEMBERS}/reader/Curator").ok()
    refused = admin.delete(ROLE)
    assert refused.error == (400, "INVALID_PARAMETER_VALUE")
    assert "'reader' in 'default'" in refused.message
    admin.delete(f"{MEMBERS}/reader/Curator").ok()
    admin.delete(ROLE).ok()
    assert admin.delete(ROLE).status == 404
    assert admin.delete(f"{NATIVE}/roles/Owner").error == (400, "INVALID_PARAMETER_VALUE")
    assert [event.action for event in team.events()] == [
        "role.set",
        "role.assign",
        "role.take",
        "role.delete",
    ]


def test_members_are_shown_with_their_roles(team: Team) -> None:
    found = {m["name"]: m for m in team["reader"].get(MEMBERS).ok()["items"]}
    assert {name: m["roles"] for name, m in found.items()} == {
        **{name: [role] for name, role in ROLES.items()},
        "program": ["Contributor"],
    }
    assert found[GROUP]["kind"] == "group"
    page = team["reader"].get(MEMBERS, {"limit": 2}).ok()
    after = team["reader"].get(MEMBERS, {"limit": 2, "page_token": page["next_page_token"]}).ok()
    assert [m["name"] for m in page["items"] + after["items"]] == sorted(found)[:4]


def test_an_owner_gives_and_takes_roles(team: Team) -> None:
    owner, path = team["owner"], f"{MEMBERS}/Stranger/Data Scientist"
    assert team["stranger"].get("experiments/search").status == 404
    owner.put(path).ok()
    owner.put(path).ok()  # it has it already
    team["stranger"].post("experiments/create", {"name": "x"}).ok()
    owner.delete(path).ok()
    assert team["stranger"].get("experiments/search").status == 200  # its own experiment, by its rule
    assert team["stranger"].post("experiments/create", {"name": "y"}).status == 403
    assert [(*e[:5], e.detail["role"]) for e in team.events("role.assign", "role.take")] == [
        (1, "owner", "role.assign", "user", "stranger", "Data Scientist"),
        (1, "owner", "role.take", "user", "stranger", "Data Scientist"),
    ]


@pytest.mark.parametrize("who", ["contributor", "scientist", "operator", "reader", "program", "grouped"])
def test_nobody_else_gives_roles(team: Team, who: str) -> None:
    for name in (who, "stranger"):
        assert team[who].put(f"{MEMBERS}/{name}/Owner").error == (403, "PERMISSION_DENIED")
        assert team[who].delete(f"{MEMBERS}/owner/Owner").error == (403, "PERMISSION_DENIED")
    assert team[who].put(f"{NATIVE}/workspaces/{FOREIGN}/members/{who}/Owner").status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", f"{MEMBERS}/ghost/Reader"),
        ("PUT", f"{MEMBERS}/reader/Emperor"),
        ("PUT", f"{MEMBERS}/reader/owner"),
        ("DELETE", f"{MEMBERS}/reader/Owner"),
        ("DELETE", f"{MEMBERS}/ghost/Owner"),
        ("GET", f"{NATIVE}/workspaces/{FOREIGN}/members"),
        ("GET", f"{NATIVE}/workspaces/missing/members"),
    ],
)
def test_what_is_missing(team: Team, method: str, path: str) -> None:
    assert team["owner"].request(method, path).error == (404, "RESOURCE_DOES_NOT_EXIST")


# Of each role in the guide what it comes to, beside what its own description says.
SAMPLES = {
    "Data Scientist Restricted": (
        {"experiments/runs/write", "metadata/artifacts/write", "loggedModels/write", "trash/read"},
        {"experiments/write", "experiments/runs/delete", "activity/read", "members/write"},
    ),
    "MLflow Data Scientist": (
        {"experiments/write", "experiments/delete", "experiments/runs/delete", "loggedModels/delete"},
        {"experiments/permissions/write", "trash/purge", "workspaces/write", "members/read"},
    ),
    "MLOps": (
        {"experiments/write", "experiments/runs/write", "metadata/artifacts/write", "loggedModels/write"},
        {"experiments/delete", "experiments/runs/delete", "metadata/artifacts/delete", "trash/read"},
    ),
    "Workspace Admin": (
        {"members/write", "workspaces/write", "trash/purge", "experiments/permissions/write"},
        {"workspaces/delete"},
    ),
    "Labeler": (
        {"experiments/read", "experiments/runs/write", "metadata/artifacts/read"},
        {"experiments/write", "metadata/artifacts/write", "loggedModels/read"},
    ),
}


def test_the_roles_of_the_guide_are_taken_and_give_what_they_say(team: Team) -> None:
    # Given
    guide = GUIDE.read_text(encoding="utf-8")
    roles = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.DOTALL)]
    assert {role["name"] for role in roles} == set(SAMPLES)
    admin, stranger = team["admin"], team["stranger"]
    experiment = team["owner"].experiment()
    run = team["owner"].run(experiment)
    for role in roles:
        # When
        saved = admin.put(f"{NATIVE}/roles/{role['name']}", role).ok()
        # Then
        gives, lacks = SAMPLES[role["name"]]
        assert gives <= set(saved["permissions"]), role["name"]
        assert not lacks & set(saved["permissions"]), role["name"]
        admin.put(f"{MEMBERS}/stranger/{role['name']}").ok()
        tagged = stranger.post("runs/set-tag", {"run_id": run, "key": "label", "value": role["name"]})
        assert tagged.status == 200, role["name"]
        deleted = stranger.post("runs/delete", {"run_id": run})
        may = "experiments/runs/delete" in saved["permissions"]
        assert deleted.status == (200 if may else 403), role["name"]
        if may:
            team["owner"].post("runs/restore", {"run_id": run}).ok()
        admin.delete(f"{MEMBERS}/stranger/{role['name']}").ok()
