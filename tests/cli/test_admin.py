"""Users, groups, roles, permissions and tokens from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, read_csv, read_json
from tests.cli.team import PASSWORD, Team, root, team

__all__ = ["root", "team"]


def _json(run: Run, *words: str, **more: Any) -> Any:
    return read_json(run(*words, "-o", "json", **more))


def test_a_life_of_a_user(team: Team, root: Run) -> None:
    # Given
    words = ("user", "add", "Kim", "--email", "kim@example.org", "--password-stdin")
    made = _json(root, *words, input=PASSWORD)
    assert (made["name"], made["is_admin"], made["has_password"]) == ("kim", False, True)
    kim = team.person("kim")
    assert kim("login", team.url, "--user", "kim", "--password-stdin", input=PASSWORD).exit_code == 0
    # When, Then
    assert root("user", "update", "kim", "--admin", "--display-name", "Kim K").exit_code == 0
    shown = _json(root, "user", "show", "kim")
    assert (shown["is_admin"], shown["display_name"], shown["groups"]) == (True, "Kim K", [])
    assert root("user", "update", "kim", "--no-admin").exit_code == 0
    assert root("user", "disable", "kim").exit_code == 0
    assert kim("whoami").exit_code == 3
    assert root("user", "enable", "kim").exit_code == 0
    assert kim("whoami").exit_code == 0
    assert root("user", "delete", "kim").exit_code == 2
    deleted = root("user", "delete", "kim", "--yes")
    assert kim("whoami").exit_code == 3
    assert root("user", "show", "kim").exit_code == 4
    # When it is restored as the message says
    told, _, undo = deleted.stdout.strip().partition(". To undo: runyard ")
    assert told.startswith("In the trash: user 'kim', until 20")
    assert undo == f"trash restore user:{shown['id']}"
    assert root(*undo.split()).stdout == "Restored 1 user.\n"
    assert _json(root, "user", "show", "kim") == {**shown, "is_admin": False}
    assert kim("login", team.url, "--user", "kim", "--password-stdin", input=PASSWORD).exit_code == 0


@pytest.mark.parametrize("kind", ["user", "service_principal", "group", "role"])
def test_what_is_deleted_is_listed_restored_and_purged(root: Run, kind: str) -> None:
    # Given
    name, command = f"gone-{kind}".replace("_", "-"), kind.replace("_", "-")
    make = {
        "user": ("user", "add", name, "--no-password"),
        "service_principal": ("service-principal", "add", name),
        "group": ("group", "create", name),
        "role": ("role", "set", "-", "--name", name),
    }
    assert root(*make[kind], input='{"actions": ["*/read"]}').exit_code == 0
    assert root(command, "delete", name).exit_code == 2
    # When it is deleted
    gone = _json(root, command, "delete", name, "--yes")
    # Then
    (listed,) = [one for one in _json(root, "trash", "list", "--kind", kind) if one["name"] == name]
    assert (listed["id"], listed["purge_time"]) == (gone["id"], gone["purge_time"])
    assert gone["deleted"] == name
    assert command in root("trash", "list", "--kind", command).stdout
    # When it is restored, deleted again and purged
    assert _json(root, "trash", "restore", f"{command}:{gone['id']}")[f"{kind}s"] == 1
    assert root(command, "show", name).exit_code == 0
    again = _json(root, command, "delete", name, "--yes")
    what = f"1 {kind.replace('_', ' ')}"
    purge = ("trash", "purge", f"{kind}:{again['id']}")
    assert root(*purge, "--dry-run").stdout == f"Would destroy {what}.\n"
    assert root(*purge, "--yes").stdout == f"Destroyed {what}.\n"
    # Then
    assert root("trash", "restore", f"{kind}:{again['id']}").exit_code == 4


def test_users_are_listed(root: Run) -> None:
    for i in range(3):
        assert root("user", "add", f"many-{i}", "--no-password").exit_code == 0
    rows = read_csv(root("user", "list", "--limit", "0", "-o", "csv").stdout)
    found = {row["name"]: row for row in rows}
    assert {"root", "many-0", "many-1", "many-2"} <= set(found)
    assert (found["root"]["is_admin"], found["many-0"]["is_admin"]) == ("true", "false")
    result = root("user", "list", "--limit", "1", "-o", "json")
    assert len(json.loads(result.stdout)) == 1
    assert "--limit" in result.stderr


def test_passwords_are_changed(team: Team, root: Run) -> None:
    lea = team.joined("lea")
    new = "another long password"
    assert lea("user", "password", "--password-stdin", input=f"{PASSWORD}\n{new}\n").exit_code == 0
    wrong = lea("user", "password", "--password-stdin", input=f"{PASSWORD}\n{new}\n")
    assert (wrong.exit_code, new in wrong.output) == (1, False)
    login = ("login", team.url, "--user", "lea", "--password-stdin")
    assert lea(*login, input=PASSWORD).exit_code == 3
    assert lea(*login, input=new).exit_code == 0
    assert root("user", "password", "lea", "--password-stdin", input=PASSWORD).exit_code == 0
    assert lea(*login, input=PASSWORD).exit_code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("user", "list"), 1),
        (("user", "add", "x-x", "--no-password"), 1),
        (("user", "delete", "root", "--yes"), 1),
        (("user", "password", "root", "--password-stdin"), 1),
        (("group", "list"), 1),
        (("group", "create", "gg"), 1),
        (("role", "delete", "Reader", "--yes"), 1),
        (("service-principal", "list"), 1),
        (("token", "list", "--user", "root"), 1),
        (("token", "revoke", "1", "--yes"), 4),
        (("experiment", "list"), 4),
    ],
)
def test_who_is_no_administrator_may_not(team: Team, words: tuple[str, ...], code: int) -> None:
    if not (team.home("mallory") / "runyard").exists():
        team.joined("mallory")
    result = team.person("mallory")(*words, input=PASSWORD)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("Error: ")


def test_a_life_of_a_group(team: Team, root: Run) -> None:
    team.joined("nora")
    team.joined("otto")
    assert _json(root, "group", "create", "vision", "--display-name", "Vision team")["name"] == "vision"
    assert root("group", "update", "vision", "--display-name", "All eyes").exit_code == 0
    assert _json(root, "group", "show", "vision")["display_name"] == "All eyes"
    assert root("group", "update", "vision").exit_code == 2
    assert root("group", "add", "vision", "nora", "otto").exit_code == 0
    assert [one["name"] for one in _json(root, "group", "members", "vision")] == ["nora", "otto"]
    assert root("group", "remove", "vision", "otto").exit_code == 0
    assert _json(root, "user", "show", "nora")["groups"] == ["vision"]
    assert [one["name"] for one in _json(root, "group", "list")] == ["vision"]
    assert root("group", "delete", "vision", "--yes").exit_code == 0
    assert _json(root, "group", "list") == []
    assert root("group", "members", "vision").exit_code == 4


def test_roles_are_given_and_taken(team: Team, root: Run) -> None:
    pia = team.joined("pia")
    assert pia("experiment", "list", "-w", "default").exit_code == 4
    assert root("workspace", "assign", "pia", "Data Scientist").exit_code == 0
    assert pia("experiment", "list", "-w", "default").exit_code == 0
    assert _json(pia, "whoami")["roles"] == ["Data Scientist"]
    members = {one["name"]: one["roles"] for one in _json(root, "workspace", "members")}
    assert members["pia"] == ["Data Scientist"]
    assert root("workspace", "unassign", "pia", "Data Scientist").exit_code == 0
    assert pia("experiment", "list").exit_code == 4
    assert root("workspace", "assign", "pia", "No such role").exit_code in (1, 4)


def test_roles_are_made_from_files(team: Team, root: Run, tmp_path: Path) -> None:
    file = tmp_path / "labeller.json"
    file.write_text(
        json.dumps({"Name": "Labeller", "Actions": ["experiments/*"], "NotActions": ["experiments/delete"]})
    )
    made = _json(root, "role", "set", str(file))
    assert (made["name"], made["built_in"]) == ("Labeller", False)
    assert "experiments/read" in made["permissions"]
    assert "experiments/delete" not in made["permissions"]
    # What was shown can be changed and given back.
    file.write_text(root("role", "show", "Labeller", "-o", "json").stdout)
    assert root("role", "set", str(file)).exit_code == 0
    assert root("role", "set", "-", "--name", "Second", input='{"actions": ["*/read"]}').exit_code == 0
    everywhere = '{"Actions": ["*/read"], "AssignableScopes": ["/"]}'
    assert root("role", "set", "-", "--name", "Second", input=everywhere).exit_code == 0
    for wrong, told in (
        ('{"Actions": ["*"], "AssignableScopes": ["/subscriptions/1"]}', "runyard workspace assign"),
        ('{"Actions": ["experiments/*"], "NotActions": ["*"]}', "would give nothing"),
        ('{"Description": "x"}', "needs actions"),
    ):
        refused = root("role", "set", "-", "--name", "Odd", input=wrong)
        assert (refused.exit_code, told in refused.stderr) == (1, True)
    names = [one["name"] for one in _json(root, "role", "list")]
    assert names[0] == "Owner"
    assert "Odd" not in names
    assert {"Labeller", "Second", "Reader"} <= set(names)
    for name in ("Labeller", "Second"):
        assert root("role", "delete", name, "--yes").exit_code == 0
    assert root("role", "delete", "Reader", "--yes").exit_code == 1
    assert root("role", "show", "Labeller").exit_code == 4
    cut = root("role", "list", "-n", "2", "-o", "json")
    assert ([one["name"] for one in read_json(cut)], "--limit" in cut.stderr) == (
        ["Owner", "Contributor"],
        True,
    )
    kept = root("role", "delete", "Reader", "--yes")
    assert (kept.exit_code, kept.stderr) == (1, "Error: 'Reader' is built in and can't be deleted.\n")


def test_who_may_do_everything_is_told_so(root: Run) -> None:
    for words, told in (
        (("whoami",), "everything"),
        (("role", "show", "Owner"), "everything in a workspace"),
        (("role", "show", "Reader"), "experiments/read, "),
    ):
        line = next(one for one in root(*words).stdout.splitlines() if one.startswith("permissions"))
        assert line.removeprefix("permissions").strip().startswith(told)
    assert len(_json(root, "whoami")["permissions"]) > 20


def test_permissions_of_places(team: Team, root: Run) -> None:
    rosa = team.joined("rosa")
    for name in ("/perm/a", "/perm/b"):
        assert root("experiment", "create", name).exit_code == 0
    assert root("permission", "set", "rosa", "read", "--folder", "/perm").exit_code == 0
    assert root("permission", "set", "rosa", "CAN_EDIT", "--folder", "/perm").exit_code == 0
    assert _json(root, "permission", "set", "rosa", "can_read", "--folder", "/perm")["level"] == "CAN_READ"
    assert root("permission", "set", "rosa", "none", "-e", "/perm/b").exit_code == 0
    # A folder in which nothing lies is told: its name may be a typing error.
    for place, told in (
        ("/", ""),
        ("/perm/", ""),
        ("/perm/a", ""),
        ("perm", "No experiment lies in 'perm' yet that you may see. Did you mean '/perm'?\n"),
        ("/typo", "No experiment lies in '/typo' yet that you may see.\n"),
    ):
        result = root("permission", "set", "root", "manage", "--folder", place)
        assert (result.exit_code, result.stderr) == (0, told)
    assert [one["name"] for one in _json(rosa, "experiment", "list")] == ["/perm/a"]
    assert rosa("experiment", "rename", "/perm/a", "/perm/c").exit_code == 1
    found = _json(root, "permission", "list", "-e", "/perm/b", "--principal", "rosa")
    assert [(one["level"], one["inherited"]) for one in found] == [
        ("NO_PERMISSION", False),
        ("CAN_READ", True),
    ]
    checked = _json(root, "permission", "check", "rosa", "-e", "/perm/a")
    assert checked["level"] == "CAN_READ"
    assert "experiments/read" in checked["permissions"]
    checked = root("permission", "check", "rosa", "-e", "/perm/b").stdout
    for line in ("level NO_PERMISSION", "because rule on the experiment", "permissions none"):
        assert line in " ".join(checked.split()), checked
    assert root("group", "create", "seers").exit_code == 0
    checked = root("permission", "check", "seers", "-e", "/perm/b").stdout
    assert "no rule and no role here" in checked
    assert root("workspace", "assign", "seers", "Reader").exit_code == 0
    (row,) = read_csv(root("permission", "check", "seers", "-e", "/perm/b", "-o", "csv").stdout)
    assert (row["level"], row["because"]) == ("CAN_READ", "role Reader")
    # Who may read there, and why.
    found = {one["principal"]: one for one in _json(root, "permission", "who", "-e", "/perm/a")}
    assert found["rosa"]["level"] == "CAN_READ"
    assert found["rosa"]["reasons"][0]["path"] == "/perm"
    assert "rosa" not in root("permission", "who", "-e", "/perm/b").stdout
    rows = read_csv(root("permission", "who", "--folder", "/perm", "-o", "csv").stdout)
    assert {row["principal"]: row["because"] for row in rows}["rosa"] == "rule on folder /perm"
    assert {row["principal"]: row["because"] for row in rows}["root"] == "administers the server"
    assert rosa("permission", "who", "-e", "/perm/a").exit_code == 1
    assert root("permission", "who").exit_code == 2
    assert root("permission", "unset", "rosa", "-e", "/perm/b").exit_code == 0
    assert {one["name"] for one in _json(rosa, "experiment", "list")} == {"/perm/a", "/perm/b"}
    assert root("permission", "unset", "rosa", "-e", "/perm/b").exit_code == 4
    assert root("permission", "set", "rosa", "read").exit_code == 2
    assert root("permission", "set", "rosa", "write", "--folder", "/perm").exit_code == 2


def test_personal_tokens(team: Team, root: Run) -> None:
    sven = team.joined("sven")
    result = sven("token", "create", "laptop", "--days", "3")
    token = result.stdout.strip()
    assert token.startswith("ryp_")
    assert result.stdout == f"{token}\n"
    assert token not in result.stderr
    found = {one["name"]: one for one in _json(sven, "token", "list")}
    assert found["laptop"]["expiry_time"] - found["laptop"]["creation_time"] == 3 * 24 * 3_600_000
    assert "token" not in found["laptop"]
    bare = team.person("sven's laptop")
    assert _json(bare, "whoami", RUNYARD_URL=team.url, RUNYARD_TOKEN=token)["name"] == "sven"
    assert sven("token", "revoke", found["laptop"]["id"]).exit_code == 2
    assert sven("token", "revoke", found["laptop"]["id"], "--yes").exit_code == 0
    assert bare("whoami", RUNYARD_URL=team.url, RUNYARD_TOKEN=token).exit_code == 3


def test_tokens_of_service_principals(team: Team, root: Run) -> None:
    assert _json(root, "service-principal", "add", "ci-bot")["name"] == "ci-bot"
    made = _json(root, "token", "create", "nightly", "--for", "ci-bot", "--only-workspace", "default")
    assert (made["owner"], made["workspace"]) == ("ci-bot", "default")
    bot = {"RUNYARD_URL": team.url, "RUNYARD_TOKEN": made["token"]}
    bare = team.person("a machine")
    assert _json(bare, "whoami", **bot)["kind"] == "service"
    assert "service-principal" in bare("whoami", **bot).stdout
    assert root("workspace", "assign", "ci-bot", "Reader").exit_code == 0
    for words in (("workspace", "members"), ("permission", "who", "--folder", "/")):
        line = next(one for one in root(*words).stdout.splitlines() if one.startswith("ci-bot"))
        assert line.split()[1] == "service-principal"
    assert root("service-principal", "update", "ci-bot", "--display-name", "CI").exit_code == 0
    assert _json(root, "service-principal", "show", "ci-bot")["display_name"] == "CI"
    assert _json(root, "service-principal", "update", "ci-bot", "--admin")["is_admin"] is True
    assert root("service-principal", "update", "ci-bot", "--no-admin").exit_code == 0
    assert root("service-principal", "update", "ci-bot").exit_code == 2
    assert root("service-principal", "disable", "ci-bot").exit_code == 0
    assert bare("whoami", **bot).exit_code == 3
    assert root("service-principal", "enable", "ci-bot").exit_code == 0
    assert [one["name"] for one in _json(root, "service-principal", "list")] == ["ci-bot"]
    assert _json(root, "service-principal", "show", "ci-bot")["is_disabled"] is False
    assert root("service-principal", "delete", "ci-bot", "--yes").exit_code == 0
    assert bare("whoami", **bot).exit_code == 3


def test_tokens_for_tracking_and_for_a_run(team: Team, root: Run) -> None:
    bare = team.person("a job")
    address = root("token", "create", "--tracking", "--seconds", "60", "--uri").stdout.strip()
    assert address.startswith("http://runyard:ryt_")
    assert address.endswith("/w/default")
    assert bare("experiment", "list", MLFLOW_TRACKING_URI=address).exit_code == 0
    assert bare("user", "list", MLFLOW_TRACKING_URI=address).exit_code == 1
    missing = root("token", "create", "--run", "0" * 32)
    assert (missing.exit_code, missing.stdout) == (4, "")


@pytest.mark.parametrize(
    "words",
    [(), ("name", "--tracking"), ("--days", "3"), ("--tracking", "--run", "x"), ("name", "--seconds", "5")],
)
def test_a_token_is_one_of_three(root: Run, words: tuple[str, ...]) -> None:
    result = root("token", "create", *words)
    assert (result.exit_code, result.stdout) == (2, "")
