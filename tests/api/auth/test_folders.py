"""Folders for those who may not do everything: nothing hidden is shown, and a move opens no door."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.auth.team import NATIVE, OWN, Team
from tests.api.conftest import Reply

FOLDERS, RULES = f"{NATIVE}/folders", f"{NATIVE}/workspaces/{OWN}/rules"
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
DENIED = (403, "PERMISSION_DENIED")


def rule(team: Team, principal: str, level: str, **place: Any) -> None:
    """Set a rule, as the owner."""
    team["owner"].put(RULES, {"principal": principal, "level": level, **place}).ok()


def rules(team: Team) -> list[tuple[str, str, str]]:
    """All rules of folders."""
    found = team["owner"].get(RULES, {"limit": 1000}).ok()["items"]
    return [(one["path"], one["principal"], one["level"]) for one in found if one["experiment_id"] is None]


def folders(team: Team, who: str, path: str = "/", **query: Any) -> list[tuple[str, int, int]]:
    """Path and counts of the folders that somebody sees."""
    found = team[who].get(FOLDERS, {"path": path, **query}).ok()["items"]
    return [(one["path"], one["experiments"], one["experiments_below"]) for one in found]


def move(team: Team, who: str, path: str, to: str, **sent: Any) -> Reply:
    """Move a folder as somebody; what may not be moved isn't told to be movable either."""
    would = team[who].post(f"{FOLDERS}/move", {"path": path, "to": to, "dry_run": True})
    reply = team[who].post(f"{FOLDERS}/move", {"path": path, "to": to, **sent})
    assert (would.error, would.message if would.status != 200 else "") == (
        reply.error,
        reply.message if reply.status != 200 else "",
    )
    return reply


@pytest.fixture
def made(team: Team) -> dict[str, str]:
    """The owner's experiments by their names."""
    names = ("/a/open/x", "/a/open/y", "/a/secret/x", "/a/z", "/b/x", "/c/x")
    return {name: team["owner"].experiment(name) for name in names}


def test_what_one_may_not_see_is_neither_listed_nor_counted(team: Team, made: dict[str, str]) -> None:
    assert folders(team, "reader") == [("/a", 1, 4), ("/b", 1, 1), ("/c", 1, 1)]
    assert team["stranger"].get(FOLDERS).error == MISSING
    assert team["operator"].get(FOLDERS).error == DENIED
    # When
    rule(team, "reader", "NO_PERMISSION", path="/a/secret")
    rule(team, "reader", "NO_PERMISSION", path="/b")
    rule(team, "reader", "NO_PERMISSION", experiment_id=made["/a/open/y"])
    rule(team, "stranger", "CAN_READ", path="/a/secret")
    rule(team, "operator", "CAN_READ", experiment_id=made["/a/open/x"])
    # Then
    assert folders(team, "reader") == [("/a", 1, 2), ("/c", 1, 1)]
    assert folders(team, "reader", limit=1) == [("/a", 1, 2)]
    assert folders(team, "reader", "/a") == [("/a/open", 1, 1)]
    assert folders(team, "stranger") == [("/a", 0, 1)]
    assert folders(team, "operator", "/a") == [("/a/open", 1, 1)]
    shown = team["reader"].get(f"{FOLDERS}/experiments", {"path": "/a/open"}).ok()["items"]
    assert [one["name"] for one in shown] == ["/a/open/x"]
    assert team["stranger"].get(f"{FOLDERS}/experiments", {"path": "/a"}).ok()["items"] == []
    for who, path in (("reader", "/a/secret"), ("reader", "/b"), ("stranger", "/c"), ("operator", "/b")):
        for at in (FOLDERS, f"{FOLDERS}/experiments"):
            reply = team[who].get(at, {"path": path})
            missing = team[who].get(at, {"path": "/none"})
            assert reply.error == missing.error == MISSING
            assert reply.message.replace(path, "") == missing.message.replace("/none", "")
    # Then: a page's place tells nothing either
    page = team["reader"].get(FOLDERS, {"limit": 1}).ok()
    rest = team["reader"].get(FOLDERS, {"limit": 1, "page_token": page["next_page_token"]}).ok()
    assert ([one["path"] for one in rest["items"]], rest["next_page_token"]) == (["/c"], None)


def test_rules_move_with_their_folder(team: Team, made: dict[str, str]) -> None:
    # Given
    rule(team, "stranger", "CAN_EDIT", path="/a/open")
    rule(team, "reader", "NO_PERMISSION", path="/a/open/deep")
    rule(team, "reader", "NO_PERMISSION", path="/a/open")
    rule(team, "reader", "CAN_READ", path="/a/open-not")
    get = "experiments/get", {"experiment_id": made["/a/open/x"]}
    # When
    assert move(team, "owner", "/a/open", "/c/d").ok() == {"experiments": 2, "deleted": 0, "rules": 3}
    # Then
    assert set(rules(team)) == {
        ("/a/open-not", "reader", "CAN_READ"),
        ("/c/d", "reader", "NO_PERMISSION"),
        ("/c/d", "stranger", "CAN_EDIT"),
        ("/c/d/deep", "reader", "NO_PERMISSION"),
    }
    assert team["reader"].get(*get).error == MISSING
    assert team["stranger"].get(*get).ok()["experiment"]["name"] == "/c/d/x"
    assert {
        (e.target, e.detail["to"], e.detail["holder"], e.detail["level"]) for e in team.events("rule.move")
    } == {
        ("/a/open", "/c/d", "stranger", "edit"),
        ("/a/open", "/c/d", "reader", "none"),
        ("/a/open/deep", "/c/d/deep", "reader", "none"),
    }
    (event,) = team.events("folder.move")
    assert (event.actor, event.target, event.detail["rules"]) == ("owner", "/a/open", 3)
    # When it moves up, onto its own rules' old places
    rule(team, "stranger", "CAN_READ", path="/c/d/d")
    move(team, "owner", "/c/d/d", "/c/e/f").ok()
    rule(team, "reader", "CAN_EDIT", path="/c/e")
    move(team, "owner", "/c/e", "/e").ok()
    assert {("/e", "reader", "CAN_EDIT"), ("/e/f", "stranger", "CAN_READ")} <= set(rules(team))


def test_a_move_takes_what_each_rename_would(team: Team, made: dict[str, str]) -> None:
    rule(team, "stranger", "CAN_EDIT", path="/a")
    # Reading is too little, and so is editing at one end only
    assert move(team, "reader", "/b", "/new").error == DENIED
    assert move(team, "stranger", "/a/open", "/b/new").error == DENIED
    assert move(team, "stranger", "/c", "/a/new").error == MISSING
    rule(team, "stranger", "CAN_READ", path="/c")
    assert move(team, "stranger", "/c", "/a/new").error == DENIED
    move(team, "stranger", "/a/open", "/a/new").ok()
    # One experiment that may not be changed keeps the folder
    rule(team, "stranger", "CAN_READ", experiment_id=made["/a/open/x"])
    assert move(team, "stranger", "/a/new", "/a/newer").error == DENIED
    # The same with a folder below the new path that is closed
    rule(team, "contributor", "NO_PERMISSION", path="/d/new")
    assert move(team, "contributor", "/a/new", "/d/new").error == DENIED
    assert move(team, "contributor", "/a", "/d").error == DENIED
    assert move(team, "contributor", "/b", "/d/newer").status == 200


def test_what_is_hidden_stays_where_it_is_and_is_not_told(team: Team, made: dict[str, str]) -> None:
    rule(team, "contributor", "NO_PERMISSION", experiment_id=made["/a/secret/x"])
    reply = move(team, "contributor", "/a", "/new")
    assert reply.error == DENIED
    assert "secret" not in reply.message
    assert made["/a/secret/x"] not in reply.message
    # A folder in which one sees nothing is missing
    hidden, none = (move(team, "contributor", path, "/new") for path in ("/a/secret", "/none"))
    assert hidden.error == none.error == MISSING
    assert hidden.message.replace("/a/secret", "") == none.message.replace("/none", "")
    # Deleted ones count too
    team["owner"].post("experiments/delete", {"experiment_id": made["/a/secret/x"]}).ok()
    assert move(team, "contributor", "/a", "/new").error == DENIED
    # And folders of which there are only rules
    rule(team, "contributor", "NO_PERMISSION", path="/ruled")
    assert move(team, "contributor", "/ruled", "/new").error == MISSING
    rule(team, "contributor", "NO_PERMISSION", path="/b/ruled")
    reply = move(team, "contributor", "/b", "/new")
    assert reply.error == DENIED
    assert "ruled" not in reply.message


def test_who_may_not_set_rules_moves_none(team: Team, made: dict[str, str]) -> None:
    # Given somebody who may edit everything, and a rule of others
    rule(team, "stranger", "NO_PERMISSION", path="/b")
    for who in ("contributor", "scientist"):
        # Then it can neither be carried away nor be left behind
        assert move(team, who, "/b", "/new").error == DENIED
    # Given somebody who manages both ends
    rule(team, "reader", "CAN_MANAGE", path="/b")
    rule(team, "reader", "CAN_EDIT", path="/c")
    assert move(team, "reader", "/b", "/c/b").error == DENIED
    rule(team, "reader", "CAN_MANAGE", path="/c")
    move(team, "reader", "/b", "/c/b").ok()
    assert set(rules(team)) == {
        ("/c", "reader", "CAN_MANAGE"),
        ("/c/b", "reader", "CAN_MANAGE"),
        ("/c/b", "stranger", "NO_PERMISSION"),
    }


def test_a_rule_that_stands_at_the_new_place_is_not_overridden(team: Team, made: dict[str, str]) -> None:
    rule(team, "reader", "CAN_EDIT", path="/b")
    rule(team, "reader", "NO_PERMISSION", path="/new")
    before = rules(team)
    reply = move(team, "owner", "/b", "/new")
    assert (reply.error, reply.field) == ((400, "RESOURCE_ALREADY_EXISTS"), "to")
    assert "'reader' has a rule at '/b' and one at '/new'" in reply.message
    assert rules(team) == before
    name = team["owner"].get("experiments/get", {"experiment_id": made["/b/x"]}).ok()["experiment"]["name"]
    assert name == "/b/x"


def test_a_folder_of_rules_alone_moves(team: Team) -> None:
    rule(team, "reader", "CAN_EDIT", path="/planned/x")
    assert move(team, "owner", "/planned", "/plans").ok() == {"experiments": 0, "deleted": 0, "rules": 1}
    assert rules(team) == [("/plans/x", "reader", "CAN_EDIT")]


def test_only_so_many_rules_move_at_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.server.auth.service.grants.MAX_MOVED", 1)
    for path in ("/a/x", "/a/y"):
        rule(team, "reader", "CAN_EDIT", path=path)
    reply = move(team, "owner", "/a", "/b")
    assert (reply.error, reply.field) == ((400, "INVALID_PARAMETER_VALUE"), "path")
    move(team, "owner", "/a/x", "/b/x").ok()


def test_a_runs_token_lists_its_experiment_and_moves_nothing(team: Team, made: dict[str, str]) -> None:
    owner = team["owner"]
    sent = {"run_id": owner.run(made["/a/open/x"])}
    holder = team.api.as_(owner.post(f"{NATIVE}/tokens/run", sent).ok()["token"])
    found = holder.get(FOLDERS).ok()["items"]
    assert [(one["path"], one["experiments_below"]) for one in found] == [("/a", 1)]
    assert holder.post(f"{FOLDERS}/move", {"path": "/a", "to": "/new"}).error == DENIED


def test_restoring_under_a_name_takes_the_right_to_rename(team: Team, made: dict[str, str]) -> None:
    # Given a role that deletes and restores, and renames nothing
    role = {"actions": ["experiments/read", "experiments/delete"], "not_actions": []}
    team["admin"].put(f"{NATIVE}/roles/Janitor", role).ok()
    team["owner"].put(f"{NATIVE}/workspaces/{OWN}/members/stranger/Janitor").ok()
    rule(team, "scientist", "NO_PERMISSION", path="/b")
    gone = made["/c/x"]
    team["owner"].post("experiments/delete", {"experiment_id": gone}).ok()
    at = f"{NATIVE}/experiments/{gone}/restore"
    # Then
    assert team["reader"].post(at, {}).error == DENIED
    assert team["stranger"].post(at, {"name": "/c/y"}).error == DENIED
    assert team["scientist"].post(at, {"name": "/b/y"}).error == DENIED
    assert team["stranger"].post(at, {}).ok() == {}


def test_a_name_means_what_one_may_see(team: Team, made: dict[str, str]) -> None:
    team["owner"].post("experiments/delete", {"experiment_id": made["/c/x"]}).ok()
    active = team["owner"].experiment("/c/x")
    rule(team, "reader", "NO_PERMISSION", experiment_id=active)
    for who, wanted in (("owner", active), ("reader", made["/c/x"])):
        found = team[who].get("experiments/get-by-name", {"experiment_name": "/c/x"}).ok()["experiment"]
        assert found["experiment_id"] == wanted


def delete_user(team: Team, name: str) -> str:
    """Delete a user; returns its id."""
    gone: str = team["admin"].delete(f"{NATIVE}/users/{name}").ok()["id"]
    return gone


def restore_user(team: Team, gone: str) -> None:
    """Bring a user back."""
    team["admin"].post(f"{NATIVE}/trash/restore", {"items": [{"kind": "user", "id": gone}]}).ok()


def test_rules_of_who_is_deleted_move_too(team: Team, made: dict[str, str]) -> None:
    # Given somebody in the trash who was kept out of the folder, and rules that wait where it goes to
    rule(team, "reader", "NO_PERMISSION", path="/a/secret")
    rule(team, "reader", "CAN_READ", path="/d/secret")
    rule(team, "reader", "CAN_MANAGE", path="/a/open")
    rule(team, "reader", "CAN_READ", path="/d/open")
    rule(team, "reader", "CAN_EDIT", path="/a/z")
    rule(team, "reader", "CAN_EDIT", path="/a-b")
    gone = delete_user(team, "reader")
    # When
    assert move(team, "owner", "/a", "/d").ok()["rules"] == 3
    restore_user(team, gone)
    # Then of two that meet the weaker one holds
    assert [one for one in rules(team) if one[1] == "reader"] == [
        ("/a-b", "reader", "CAN_EDIT"),
        ("/d/open", "reader", "CAN_READ"),
        ("/d/secret", "reader", "NO_PERMISSION"),
        ("/d/z", "reader", "CAN_EDIT"),
    ]
    deleted = {"holder": "reader", "deleted": True}
    assert [(one.target, one.detail) for one in team.events("rule.move")] == [
        (
            "/a/open",
            deleted | {"to": "/d/open", "level": "read", "before": "manage", "there": "read"},
        ),
        ("/a/secret", deleted | {"to": "/d/secret", "level": "none", "before": "none", "there": "read"}),
        ("/a/z", deleted | {"to": "/d/z", "level": "edit"}),
    ]
    (event,) = team.events("folder.move")
    assert event.detail["rules"] == 3


def test_rules_of_who_is_deleted_count_and_take_what_others_do(
    team: Team, made: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given rules of which one waits in the trash
    rule(team, "grouped", "CAN_EDIT", path="/a/x")
    rule(team, "reader", "CAN_EDIT", path="/a/y")
    rule(team, "reader", "CAN_EDIT", path="/b")
    delete_user(team, "reader")
    # Then who may not set rules moves it neither
    assert move(team, "contributor", "/b", "/new").error == DENIED
    assert move(team, "owner", "/a/y", "/" + "y" * 498 + "/y").error[0] == 400
    # And they are bounded together
    monkeypatch.setattr("runyard.server.auth.service.grants.MAX_MOVED", 1)
    reply = move(team, "owner", "/a", "/new")
    assert (reply.error, reply.field) == ((400, "INVALID_PARAMETER_VALUE"), "path")
    assert move(team, "owner", "/a/y", "/new/y").ok()["rules"] == 1


@pytest.mark.parametrize("target", ["role", "rule"])
def test_editing_takes_nothing_to_where_it_could_be_destroyed(
    team: Team, made: dict[str, str], target: str
) -> None:
    # Given somebody who may edit a folder, and do more elsewhere, by a role or by a rule
    who = "contributor" if target == "role" else "stranger"
    rule(team, who, "CAN_EDIT", path="/a")
    if target == "rule":
        rule(team, who, "CAN_MANAGE", path="/new")
    sent = {"experiment_id": made["/a/z"], "new_name": "/new/z"}
    # Then nothing goes there, alone or with its folder
    for reply in (move(team, who, "/a/open", "/new/x"), team[who].post("experiments/update", sent)):
        assert reply.error == DENIED
        assert "more would be allowed there than here" in reply.message
        assert "'experiments/delete'" in reply.message
    # But to where it may do the same
    move(team, who, "/a/open", "/a/opened").ok()
    team[who].post("experiments/update", sent | {"new_name": "/a/opened/z"}).ok()
    # And what somebody manages itself
    rule(team, who, "CAN_MANAGE", experiment_id=made["/a/z"])
    team[who].post("experiments/update", sent).ok()
    # When it may delete where they are
    rule(team, who, "CAN_MANAGE", path="/a")
    # Then it may take them away
    move(team, who, "/a/opened", "/new/x").ok()


@pytest.mark.parametrize("target", ["role", "rule", "same"])
def test_editing_takes_nothing_out_of_the_trash_of_a_folder(
    team: Team, made: dict[str, str], target: str
) -> None:
    # Given
    who = "contributor" if target == "role" else "stranger"
    rule(team, who, "CAN_EDIT", path="/a")
    if target == "rule":
        rule(team, who, "CAN_MANAGE", path="/new")
    to = "/a/opened" if target == "same" else "/new/x"
    for name in ("/a/open/x", "/a/open/y"):
        team["owner"].post("experiments/delete", {"experiment_id": made[name]}).ok()
    # Then
    reply = move(team, who, "/a/open", to)
    assert reply.error == DENIED
    assert "'experiments/delete'" in reply.message
    # When it may delete there
    rule(team, who, "CAN_MANAGE", path="/a")
    # Then
    assert move(team, who, "/a/open", to).ok()["deleted"] == 2


def test_a_rename_sheds_no_rule_of_its_own_path(team: Team, made: dict[str, str]) -> None:
    rule(team, "stranger", "CAN_MANAGE", path="/a")
    rule(team, "stranger", "CAN_EDIT", path="/a/z")
    sent = {"experiment_id": made["/a/z"], "new_name": "/a/zz"}
    assert team["stranger"].post("experiments/update", sent).error == DENIED
    team["owner"].post("experiments/update", sent).ok()
    team["stranger"].post("experiments/update", sent | {"new_name": "/a/zzz"}).ok()


def test_deleting_is_no_way_to_what_is_more(team: Team, made: dict[str, str]) -> None:
    # Given somebody who may delete everywhere by a role, and manages a folder
    rule(team, "scientist", "CAN_MANAGE", path="/mine")
    sent = {"experiment_id": made["/a/z"], "new_name": "/mine/z"}
    # Then what others made isn't purged, nor its rules set, by way of that folder
    for reply in (
        move(team, "scientist", "/a/open", "/mine/x"),
        team["scientist"].post("experiments/update", sent),
    ):
        assert reply.error == DENIED
        assert "'trash/purge'" in reply.message
    # But its own goes there, and what others made goes where no more is allowed
    own = team["scientist"].experiment("/a/own")
    team["scientist"].post("experiments/update", {"experiment_id": own, "new_name": "/mine/own"}).ok()
    team["scientist"].post("experiments/update", sent | {"new_name": "/c/z"}).ok()
