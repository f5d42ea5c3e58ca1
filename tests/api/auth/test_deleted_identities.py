"""Users, service principals, groups and roles in the trash: what comes back, for whom, and what doesn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.api.auth.team import FOREIGN, GROUP, NATIVE, OWN, PASSWORD, Team, serve_team
from tests.api.conftest import Api, Reply
from tests.api.trash_data import DAY, TRASH, age, counted, item, names, purge, settle, sql, trash

USERS, GROUPS, ROLES = f"{NATIVE}/users", f"{NATIVE}/groups", f"{NATIVE}/roles"
SERVICES, MEMBERS = f"{NATIVE}/service-principals", f"{NATIVE}/workspaces/{OWN}/members"
RULES = f"{NATIVE}/workspaces/{OWN}/rules"
ADDRESSES = {"user": USERS, "service_principal": SERVICES, "group": GROUPS, "role": ROLES}
NAMES = {"user": "reader", "service_principal": "program", "group": GROUP, "role": "Curator"}
DENIED, MISSING = (403, "PERMISSION_DENIED"), (404, "RESOURCE_DOES_NOT_EXIST")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")
OF_DELETED = (
    "deleted_identity",
    "deleted_group_member",
    "deleted_role_assignment",
    "deleted_folder_rule",
    "deleted_experiment_rule",
)


@pytest.fixture
def admin(team: Team) -> Api:
    """The administrator, where there is a role `Curator`."""
    team["admin"].put(f"{ROLES}/Curator", {"actions": ["experiments/*"]}).ok()
    return team["admin"]


def delete(api: Api, kind: str, name: str = "") -> dict[str, str]:
    """Delete one of a kind; returns how the trash names it."""
    return item(kind, api.delete(f"{ADDRESSES[kind]}/{name or NAMES[kind]}").ok()["id"])


def restore(api: Api, *items: dict[str, str]) -> Reply:
    """Bring things back."""
    return api.post(f"{TRASH}/restore", {"items": list(items)})


def rule(api: Api, principal: str, level: str, **place: str) -> None:
    """Set a rule."""
    api.put(RULES, {"principal": principal, "level": level, **place}).ok()


def held(api: Api, name: str) -> dict[str, Any]:
    """What a principal holds in the own workspace."""
    members = api.get(MEMBERS).ok()["items"]
    rules = api.get(RULES, {"principal": name}).ok()["items"]
    return {
        "roles": [member["roles"] for member in members if member["name"] == name],
        "rules": [(one["path"], one["experiment_id"], one["level"]) for one in rules],
    }


def in_group(api: Api, group: str = GROUP) -> list[str]:
    """The members of a group."""
    return [member["name"] for member in api.get(f"{GROUPS}/{group}/members").ok()["items"]]


def left(url: str) -> dict[str, int]:
    """The rows that are kept of what is deleted."""
    found = {table: sql(url, f"SELECT count(*) FROM {table}")[0][0] for table in OF_DELETED}
    return {table: count for table, count in found.items() if count}


def test_a_user_comes_back_with_all_but_its_tokens(team: Team, admin: Api) -> None:
    # Given a user with a password, roles, rules, a group, an experiment of its own and a token
    scientist = team["scientist"]
    own = scientist.experiment("/mine/x")
    admin.put(f"{USERS}/scientist/password", {"password": PASSWORD}).ok()
    admin.put(f"{MEMBERS}/scientist/Curator").ok()
    admin.put(f"{GROUPS}/{GROUP}/members/scientist").ok()
    rule(admin, "scientist", "CAN_EDIT", path="/Shared")
    rule(admin, "scientist", "NO_PERMISSION", path="/secret")
    before, shown = held(admin, "scientist"), admin.get(f"{USERS}/scientist").ok()
    assert len(before["rules"]) == 3
    # When it is deleted
    gone = delete(admin, "user", "scientist")
    # Then it is nobody
    assert gone["id"] == shown["id"]
    assert admin.get(f"{USERS}/scientist").error == MISSING
    assert scientist.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
    signed_in = team.api.as_(password=("scientist", PASSWORD))
    assert signed_in.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
    assert in_group(admin) == ["grouped"]
    # When it is restored
    assert restore(admin, gone).ok() == counted(users=1)
    # Then it is who it was, and has what it had
    assert admin.get(f"{USERS}/scientist").ok() == shown
    assert held(admin, "scientist") == before
    assert in_group(admin) == ["grouped", "scientist"]
    assert signed_in.get("experiments/get", {"experiment_id": own}).status == 200
    assert signed_in.get(f"{NATIVE}/whoami").ok()["roles"] == ["Curator", "Data Scientist"]
    # Then its tokens have ended
    assert scientist.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
    assert admin.get(f"{NATIVE}/tokens", {"user": "scientist"}).ok()["items"] == []
    assert trash(admin) == []
    assert left(team.url) == {}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_each_kind_is_listed_and_comes_back(team: Team, admin: Api, kind: str) -> None:
    # Given
    name, address = NAMES[kind], f"{ADDRESSES[kind]}/{NAMES[kind]}"
    before = admin.get(address).ok()
    told = admin.delete(address).ok()
    # Then
    assert trash(admin, kind=kind) == [
        {
            "kind": kind,
            "id": told["id"],
            "name": name,
            "experiment_id": None,
            "experiment_name": None,
            "deleted_time": told["purge_time"] - 30 * DAY,
            "purge_time": told["purge_time"],
            "runs": 0,
            "points": 0,
            "artifact_files": 0,
            "artifact_bytes": 0,
        }
    ]
    assert names(admin.get(TRASH, {"experiment_id": "0"}).ok()["items"]) == []
    assert names(team.of("admin", workspace=FOREIGN).get(TRASH).ok()["items"]) == [(kind, told["id"])]
    # When
    assert restore(admin, item(kind, told["id"])).ok() == counted(**{f"{kind}s": 1})
    # Then
    assert admin.get(address).ok() == before
    assert restore(admin, item(kind, told["id"])).error == MISSING
    assert "named by its id" in restore(admin, item(kind, name)).message
    noun = {"service_principal": "service"}.get(kind, kind)
    detail = {"count": 1, "ids": [told["id"]], "names": [name]}
    assert team.events("trash.restore") == [(0, "admin", "trash.restore", noun, name, detail)]


def test_a_group_comes_back_with_its_members_roles_and_rules(team: Team, admin: Api) -> None:
    # Given
    admin.put(f"{GROUPS}/{GROUP}/members/program").ok()
    rule(admin, GROUP, "CAN_MANAGE", path="/Shared")
    before = held(admin, GROUP)
    # When
    gone = delete(admin, "group")
    # Then
    assert team["grouped"].get("experiments/search").error == MISSING
    # When
    restore(admin, gone).ok()
    # Then
    assert in_group(admin) == ["grouped", "program"]
    assert held(admin, GROUP) == before
    assert team["grouped"].get("experiments/search").status == 200


@pytest.mark.parametrize("deleted", [("user", "group"), ("group", "user")])
@pytest.mark.parametrize("restored", [("user", "group"), ("group", "user")])
def test_a_membership_comes_back_with_the_later_of_both(
    admin: Api, deleted: tuple[str, str], restored: tuple[str, str]
) -> None:
    admin.put(f"{GROUPS}/{GROUP}/members/reader").ok()
    gone = {kind: delete(admin, kind) for kind in deleted}
    for kind in restored:
        restore(admin, gone[kind]).ok()
    assert in_group(admin) == ["grouped", "reader"]


@pytest.mark.parametrize("restored", [("user", "role"), ("role", "user")])
def test_a_role_comes_back_to_whoever_held_it(team: Team, admin: Api, restored: tuple[str, str]) -> None:
    # Given a role whose only holder was deleted before it
    admin.put(f"{MEMBERS}/reader/Curator").ok()
    assert admin.delete(f"{ROLES}/Curator").error == (400, "INVALID_PARAMETER_VALUE")
    gone = {kind: delete(admin, kind) for kind in ("user", "role")}
    # When, Then
    for kind in restored:
        restore(admin, gone[kind]).ok()
    assert held(admin, "reader")["roles"] == [["Curator", "Reader"]]
    assert left(team.url) == {}


def test_another_role_of_the_name_is_given_to_nobody(team: Team, admin: Api) -> None:
    # Given a role that was deleted after its holder, and a stronger one of its name
    admin.put(f"{MEMBERS}/reader/Curator").ok()
    user, role = delete(admin, "user"), delete(admin, "role")
    admin.put(f"{ROLES}/Curator", {"actions": ["*"]}).ok()
    # When
    restore(admin, user).ok()
    # Then
    assert held(admin, "reader")["roles"] == [["Reader"]]
    reply = restore(admin, role)
    assert (reply.error, reply.field) == (TAKEN, "items")
    assert "another role 'Curator' now. Delete that one" in reply.message
    # When both roles take their turns
    admin.put(f"{MEMBERS}/reader/Curator").ok()
    user, stronger = delete(admin, "user"), delete(admin, "role")
    restore(admin, role, user).ok()
    # Then it has the one that it was given first
    assert held(admin, "reader")["roles"] == [["Curator", "Reader"]]
    assert admin.get(f"{ROLES}/Curator").ok()["actions"] == ["experiments/*"]
    assert restore(admin, stronger).error == TAKEN


@pytest.mark.parametrize("kind", ["user", "service_principal", "group"])
def test_a_name_that_is_taken_says_what_to_do(admin: Api, kind: str) -> None:
    # Given another one of the name
    gone = delete(admin, kind)
    admin.post(GROUPS, {"name": NAMES[kind]}).ok()
    # When
    reply = restore(admin, gone, item("role", delete(admin, "role")["id"]))
    # Then nothing came back
    assert (reply.error, reply.field) == (TAKEN, "items")
    assert f"The name '{NAMES[kind]}' belongs to another group now. Delete that one" in reply.message
    assert len(trash(admin)) == 2
    # When one does as it says
    other = delete(admin, "group", NAMES[kind])
    restore(admin, gone).ok()
    # Then
    assert names(trash(admin))[0] == ("group", other["id"])
    assert restore(admin, other).error == TAKEN


@pytest.mark.parametrize("who", [one for one in Team.people if one != "admin"])
def test_nobody_but_administrators_sees_restores_or_purges_them(team: Team, admin: Api, who: str) -> None:
    # Given
    admin.post(USERS, {"name": "gone"}).ok()
    gone = [delete(admin, "user", "gone"), delete(admin, "role")]
    for workspace in (OWN, FOREIGN):
        api = team.of(who, workspace=workspace)
        # Then
        listed = api.get(TRASH)
        assert listed.status in (403, 404) or listed.ok()["items"] == []
        for one in gone:
            for path in ("restore", "purge"):
                assert api.post(f"{TRASH}/{path}", {"items": [one]}).error in (DENIED, MISSING)
        assert api.post(f"{TRASH}/purge", {"all": True}).status in (200, 403, 404)
    assert len(trash(admin)) == 2


def test_a_token_for_one_workspace_brings_nobody_back(team: Team, admin: Api) -> None:
    # Given an administrator's token that is good for one workspace
    sent = {"name": "narrow", "workspace": OWN}
    narrow = team.api.as_(admin.post(f"{NATIVE}/tokens", sent).ok()["token"])
    gone = delete(admin, "user")
    # Then
    assert narrow.delete(f"{USERS}/stranger").error == DENIED
    assert trash(narrow) == []
    assert restore(narrow, gone).error == MISSING


def test_an_administrator_comes_back_as_one_and_the_last_one_stays(team: Team, admin: Api) -> None:
    # Given
    admin.post(USERS, {"name": "second", "is_admin": True, "password": PASSWORD}).ok()
    second = team.api.as_(password=("second", PASSWORD))
    gone = delete(second, "user", "admin")
    assert second.delete(f"{USERS}/second").error == (400, "INVALID_PARAMETER_VALUE")
    # When
    restore(second, gone).ok()
    # Then: two again, so that one may go
    delete(team.api.as_(password=("admin", PASSWORD)), "user", "second")


def test_who_was_disabled_stays_so(team: Team, admin: Api) -> None:
    admin.put(f"{USERS}/reader/password", {"password": PASSWORD}).ok()
    admin.patch(f"{USERS}/reader", {"is_disabled": True}).ok()
    restore(admin, delete(admin, "user")).ok()
    assert admin.get(f"{USERS}/reader").ok()["is_disabled"] is True
    signed_in = team.api.as_(password=("reader", PASSWORD))
    assert signed_in.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")


def test_what_is_gone_meanwhile_does_not_come_back(team: Team, admin: Api) -> None:
    # Given a user with rules and roles in two workspaces and on an experiment
    there = team.of("admin", workspace=FOREIGN)
    there.put(f"{NATIVE}/workspaces/{FOREIGN}/members/reader/Owner").ok()
    gone = there.experiment("/there")
    sent = {"principal": "reader", "level": "CAN_EDIT"}
    for place in ({"path": "/a"}, {"experiment_id": gone}):
        there.put(f"{NATIVE}/workspaces/{FOREIGN}/rules", {**sent, **place}).ok()
    ended, kept = admin.experiment("/ended"), admin.experiment("/kept")
    for experiment in (ended, kept):
        rule(admin, "reader", "CAN_MANAGE", experiment_id=experiment)
    user = delete(admin, "user")
    # When a workspace and an experiment are purged, and another experiment is only deleted
    admin.delete(f"{NATIVE}/workspaces/{FOREIGN}").ok()
    for experiment in (ended, kept):
        admin.post("experiments/delete", {"experiment_id": experiment}).ok()
    purge(admin, item("workspace", FOREIGN), item("experiment", ended))
    age(team.url, 120_000)  # what is purged last waits for a minute
    settle(admin)
    restore(admin, user).ok()
    # Then
    assert left(team.url) == {}
    assert sql(team.url, "SELECT count(*) FROM role_assignment WHERE role = 'Reader'") == [(1,)]
    assert sql(team.url, "SELECT count(*) FROM folder_rule") == [(0,)]
    rows = sql(team.url, "SELECT experiment_id FROM experiment_rule WHERE level = 3 ORDER BY experiment_id")
    assert int(ended) not in [row[0] for row in rows]
    assert int(kept) in [row[0] for row in rows]


def test_a_purge_leaves_nothing_and_no_answer_holds_a_secret(team: Team, admin: Api) -> None:
    # Given everything that is kept of one, and a second user
    admin.put(f"{USERS}/reader/password", {"password": PASSWORD}).ok()
    admin.put(f"{GROUPS}/{GROUP}/members/reader").ok()
    admin.put(f"{MEMBERS}/reader/Curator").ok()
    rule(admin, "reader", "CAN_EDIT", path="/a")
    rule(admin, "reader", "CAN_EDIT", experiment_id=admin.experiment("/x"))
    deleted = admin.delete(f"{USERS}/reader")
    user, other = item("user", deleted.ok()["id"]), delete(admin, "user", "owner")
    group, role = delete(admin, "group"), delete(admin, "role")
    assert "argon2" in str(sql(team.url, "SELECT body FROM deleted_identity WHERE name = 'reader'"))
    # When it is only tried
    body = {"items": [user, group, role], "dry_run": True}
    tried = admin.post(f"{TRASH}/purge", body)
    # Then
    nothing = {"points": 0, "artifact_files": 0, "artifact_bytes": 0}
    would = {**counted(users=1, groups=1, roles=1), **nothing, "dry_run": True, "done": False}
    assert tried.ok() == would
    assert len(trash(admin)) == 4
    # When
    purged = admin.post(f"{TRASH}/purge", {**body, "dry_run": False})
    # Then
    assert purged.ok() == {**would, "dry_run": False, "done": True}
    assert names(trash(admin)) == [("user", other["id"])]
    assert restore(admin, user).error == MISSING
    assert left(team.url) == {"deleted_identity": 1, "deleted_role_assignment": 1}
    secret = ("argon2", "password_hash", PASSWORD)
    answers = [reply.content.decode() for reply in (deleted, tried, purged, admin.get(TRASH))]
    assert not any(word in text for word in secret for text in (*answers, str(team.events())))
    assert [event[:5] for event in team.events("trash.purge")] == [
        (0, "admin", "trash.purge", kind, name)
        for kind, name in (("role", "Curator"), ("group", GROUP), ("user", "reader"))
    ]


def test_what_was_restored_and_deleted_again_is_another_deletion(team: Team, admin: Api) -> None:
    # Given
    restore(admin, delete(admin, "user")).ok()
    gone = delete(admin, "user")
    # Then
    assert names(trash(admin)) == [("user", gone["id"])]
    assert purge(admin, kind=["user"], deleted_before=0)["users"] == 0
    assert purge(admin)["users"] == 1
    assert left(team.url) == {}


def test_what_has_lain_its_time_goes_by_itself(database_url: str, tmp_path: Path) -> None:
    # Given
    with serve_team(database_url, str(tmp_path)) as team:
        admin = team["admin"]
        delete(admin, "user")
        age(database_url, 31 * DAY)
        kept = delete(admin, "group")
        # When
        settle(admin)
        # Then
        assert names(trash(admin)) == [("group", kept["id"])]
        (event,) = team.events("trash.purge")
        assert (event.workspace, event.actor, event.kind, event.target) == (0, "runyard", "user", "reader")
        assert event.detail["after_days"] == 30


def test_pages_go_through_all_kinds(admin: Api) -> None:
    # Given
    run = admin.run(admin.experiment("/x"))
    admin.post("runs/delete", {"run_id": run}).ok()
    gone = [delete(admin, kind) for kind in ADDRESSES]
    expected = [("run", run), *((one["kind"], one["id"]) for one in gone)][::-1]
    # When
    found, token = [], None
    while True:
        page = admin.get(TRASH, {"limit": 2, **({"page_token": token} if token else {})}).ok()
        found += names(page["items"])
        token = page["next_page_token"]
        if token is None:
            break
    # Then
    assert sorted(found) == sorted(expected)


def test_of_many_who_delete_or_restore_at_once_one_does(admin: Api) -> None:
    for _ in range(5):
        replies = admin.together([("DELETE", f"{USERS}/reader", None)] * 4)
        (gone,) = [item("user", reply.body["id"]) for reply in replies if reply.status == 200]
        assert sorted(reply.status for reply in replies) == [200, 404, 404, 404]
        replies = admin.together([("POST", f"{TRASH}/restore", {"items": [gone]})] * 4)
        assert sorted(reply.status for reply in replies) == [200, 404, 404, 404]
    assert trash(admin) == []
