"""Groups hold users and service principals, and give them roles and rules."""

from __future__ import annotations

import pytest

from tests.api.auth.team import GROUP, NATIVE, OWN, Team

GROUPS = f"{NATIVE}/groups"
MEMBERS = f"{GROUPS}/{GROUP}/members"


def test_a_group_is_made_and_shown(team: Team) -> None:
    admin = team["admin"]
    made = admin.post(GROUPS, {"name": "Vision"}).ok()
    expected = {"name": "vision", "display_name": "Vision"}
    assert {k: made[k] for k in expected} == expected
    assert admin.get(f"{GROUPS}/VISION").ok() == made
    assert [group["name"] for group in admin.get(GROUPS).ok()["items"]] == [GROUP, "vision"]
    assert admin.get(f"{GROUPS}/vision/members").ok() == {"items": [], "next_page_token": None}


def test_a_group_is_called_otherwise(team: Team) -> None:
    admin, at = team["admin"], f"{GROUPS}/{GROUP}"
    before = admin.get(at).ok()["display_name"]
    changed = admin.request("PATCH", f"{GROUPS}/{GROUP.upper()}", {"display_name": "All eyes"}).ok()
    assert (changed["name"], changed["display_name"]) == (GROUP, "All eyes")
    for nothing in ({}, {"display_name": "All eyes"}):
        assert admin.request("PATCH", at, nothing).ok() == changed
    assert admin.get(at).ok() == changed
    detail = {"display_name": "All eyes", "before": {"display_name": before}}
    assert [e[3:] for e in team.events("group.update")] == [("group", GROUP, detail)]
    assert admin.request("PATCH", at, {"display_name": "a\nb"}).error == (400, "INVALID_PARAMETER_VALUE")
    assert team["owner"].request("PATCH", at, {"display_name": "x"}).status == 403
    assert "grouped" in [member["name"] for member in admin.get(MEMBERS).ok()["items"]]


def test_membership_gives_and_takes_at_once(team: Team) -> None:
    admin, create = team["admin"], ("experiments/create", {"name": "x"})
    assert team["reader"].post(*create).status == 403
    admin.put(f"{MEMBERS}/Reader").ok()
    admin.put(f"{MEMBERS}/reader").ok()  # is in it already
    admin.put(f"{MEMBERS}/program").ok()
    assert [(m["kind"], m["name"]) for m in admin.get(MEMBERS).ok()["items"]] == [
        ("user", "grouped"),
        ("service", "program"),
        ("user", "reader"),
    ]
    team["reader"].post(*create).ok()
    admin.delete(f"{MEMBERS}/reader").ok()
    assert team["reader"].post("experiments/create", {"name": "y"}).status == 403
    page = admin.get(MEMBERS, {"limit": 1}).ok()
    rest = admin.get(MEMBERS, {"page_token": page["next_page_token"]}).ok()
    assert [m["name"] for m in page["items"] + rest["items"]] == ["grouped", "program"]
    assert [e[3:] for e in team.events("group.add", "group.remove")] == [
        ("group", GROUP, {"member": "reader"}),
        ("group", GROUP, {"member": "program"}),
        ("group", GROUP, {"member": "reader"}),
    ]


def test_a_group_takes_its_roles_with_it(team: Team) -> None:
    assert team["grouped"].get("experiments/search").status == 200
    team["admin"].delete(f"{GROUPS}/{GROUP}").ok()
    assert team["grouped"].get("experiments/search").error == (404, "RESOURCE_DOES_NOT_EXIST")
    members = team["admin"].get(f"{NATIVE}/workspaces/{OWN}/members").ok()["items"]
    assert GROUP not in [member["name"] for member in members]


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("PUT", f"{MEMBERS}/{GROUP}", (400, "INVALID_PARAMETER_VALUE")),
        ("PUT", f"{MEMBERS}/ghost", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("PUT", f"{GROUPS}/ghosts/members/reader", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("PUT", f"{GROUPS}/owner/members/reader", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("DELETE", f"{MEMBERS}/reader", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("DELETE", f"{GROUPS}/reader", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("PATCH", f"{GROUPS}/ghosts", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("GET", f"{GROUPS}/ghosts", (404, "RESOURCE_DOES_NOT_EXIST")),
        ("GET", f"{GROUPS}/ghosts/members", (404, "RESOURCE_DOES_NOT_EXIST")),
    ],
)
def test_what_is_refused(team: Team, method: str, path: str, error: tuple[int, str]) -> None:
    assert team["admin"].request(method, path).error == error
