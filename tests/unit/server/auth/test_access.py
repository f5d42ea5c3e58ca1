"""What roles and rules come to."""

from __future__ import annotations

import pytest

from runyard.server.auth import Access, Level, Permission, Place
from runyard.server.auth.permissions import OF_RUN_TOKEN, TRACKING
from runyard.server.auth.rules import BUILT_IN, permissions_of
from runyard.server.auth.types import RoleDefinition, RunScope, ancestors

READER = permissions_of([BUILT_IN["Reader"]])
SCIENTIST = permissions_of([BUILT_IN["Data Scientist"]])
READ, WRITE, RULES = Permission.RUN_READ, Permission.RUN_WRITE, Permission.RULE_WRITE


@pytest.mark.parametrize(
    ("path", "above"),
    [
        ("/Shared/team/x", ["/Shared/team/x", "/Shared/team", "/Shared", "/"]),
        ("team/x", ["team/x", "team", "/"]),
        ("x", ["x", "/"]),
        ("/x", ["/x", "/"]),
        ("/", ["/"]),
        ("", ["/"]),
    ],
)
def test_folders_above_a_path(path: str, above: list[str]) -> None:
    assert ancestors(path) == above


@pytest.mark.parametrize(
    ("folders", "experiments", "name", "level"),
    [
        ({}, {}, "/a/b", None),
        ({"/a": Level.EDIT}, {}, "/a/b", Level.EDIT),
        ({"/a": Level.EDIT, "/a/b": Level.NONE}, {}, "/a/b/c", Level.NONE),
        ({"/a/b/c": Level.READ, "/a": Level.NONE}, {}, "/a/b/c", Level.READ),
        ({"/a": Level.EDIT}, {}, "/ab", None),
        ({"/": Level.READ}, {}, "anything", Level.READ),
        ({"/a": Level.NONE}, {7: Level.MANAGE}, "/a/b", Level.MANAGE),
        ({"/a": Level.NONE}, {8: Level.MANAGE}, "/a/b", Level.NONE),
    ],
)
def test_the_nearest_rule_decides(
    folders: dict[str, Level], experiments: dict[int, Level], name: str, level: Level | None
) -> None:
    assert Access(folders=folders, experiments=experiments).level(Place(7, name)) == level


def test_a_rule_gives_and_takes_what_the_role_says_otherwise() -> None:
    access = Access(READER, folders={"/open": Level.EDIT, "/secret": Level.NONE})
    assert access.allows(READ, Place(1, "/other/x"))
    assert not access.allows(WRITE, Place(1, "/other/x"))
    assert access.allows(WRITE, Place(2, "/open/x"))
    assert not access.allows(RULES, Place(2, "/open/x"))
    assert not access.allows(READ, Place(3, "/secret/x"))
    # Somewhere it may write, nowhere it may give rules.
    assert access.admits(WRITE)
    assert not access.admits(RULES)


def test_owners_manage_whatever_the_rules_say() -> None:
    access = Access(owner=True, folders={"/": Level.NONE})
    assert access.allows(RULES, Place(1, "/x"))
    assert not access.allows(Permission.USER_WRITE)
    assert Access(admin=True).allows(Permission.USER_WRITE)


def test_a_credential_gives_no_more_than_its_limit() -> None:
    scope = RunScope("r", 1)
    for access in (
        Access(owner=True, limit=OF_RUN_TOKEN, scope=scope),
        Access(SCIENTIST, limit=OF_RUN_TOKEN, scope=scope),
        Access(folders={"/": Level.MANAGE}, limit=OF_RUN_TOKEN, scope=scope),
    ):
        assert access.allows(WRITE, Place(1, "x"))
        assert not access.allows(Permission.RUN_DELETE, Place(1, "x"))
        assert not access.allows(READ, Place(2, "x"))
        assert not access.admits(RULES)


def test_a_rule_that_gives_nothing_makes_no_member() -> None:
    assert not Access(folders={"/": Level.NONE}, experiments={1: Level.NONE}).member
    assert Access(folders={"/": Level.NONE, "/a": Level.READ}).member


def test_a_rule_of_the_experiment_0_is_none_for_those_that_do_not_exist_yet() -> None:
    access = Access(SCIENTIST, experiments={0: Level.NONE})
    assert access.allows(WRITE, Place(-1, "new"))
    assert not access.allows(WRITE, Place(0, "Default"))


def test_nobody_has_nothing() -> None:
    access = Access()
    assert not access.member
    assert not any(access.admits(permission) for permission in Permission)


def test_wildcards_of_roles() -> None:
    role = RoleDefinition("r", "", ["experiments/*", "*/READ"], ["experiments/delete", "activity/*"])
    found = permissions_of([role])
    assert Permission.RUN_DELETE in found
    assert Permission.MEMBER_READ in found
    assert Permission.EXPERIMENT_DELETE not in found
    assert Permission.ACTIVITY_READ not in found
    # One role's exceptions take nothing from another role.
    assert Permission.ACTIVITY_READ in permissions_of([role, RoleDefinition("s", "", ["activity/read"], [])])


def test_no_role_administers_the_server() -> None:
    every = RoleDefinition("every", "", ["*"], [])
    assert not any(permission.of_server for permission in permissions_of([every]))


def test_what_the_built_in_roles_may_not() -> None:
    contributor = permissions_of([BUILT_IN["Contributor"]])
    assert {Permission.MEMBER_WRITE, Permission.WORKSPACE_DELETE}.isdisjoint(contributor)
    assert all(permission.value.endswith("/read") for permission in READER)
    operator = permissions_of([BUILT_IN["Compute Operator"]])
    assert operator == {Permission.WORKSPACE_READ, Permission.MEMBER_READ}


def test_what_a_place_gives_more_counts_with_any_credential() -> None:
    access = Access(
        SCIENTIST, folders={"/e": Level.EDIT, "/m": Level.MANAGE}, experiments={5: Level.EDIT}, limit=TRACKING
    )
    gains = {
        (old, new): bool(access.gained(Place(1, f"{old}/x"), Place(1, f"{new}/x")))
        for old in ("", "/e", "/m")
        for new in ("", "/e", "/m")
    }
    assert {pair for pair, more in gains.items() if more} == {("", "/m"), ("/e", ""), ("/e", "/m")}
    # A rule of the experiment's own goes with it
    assert not access.gained(Place(5, "/e/x"), Place(5, "/m/x"))
    assert not Access(owner=True, folders={"/e": Level.EDIT}).gained(Place(1, "/e/x"), Place(1, "/x"))
    # What the roles give of the workspace is no gain
    only_workspace = Access(frozenset({Permission.WORKSPACE_WRITE}), folders={"/e": Level.EDIT})
    assert not only_workspace.gained(Place(1, "/e/x"), Place(1, "/x"))
