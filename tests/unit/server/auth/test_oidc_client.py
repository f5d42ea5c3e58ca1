"""What a provider's claims say, and what its groups give."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from runyard.server.auth.service.oidc import Client, role_map
from runyard.server.auth.service.oidc.accounts import _name
from runyard.server.auth.service.oidc.attempt import Seal
from runyard.server.auth.service.oidc.client import Grant, tells_all, visitor
from runyard.server.kernel.errors import InvalidArgument

ROLES = """{
    "a": {"workspace": "w", "role": "Reader"},
    "b": [{"workspace": "v", "role": "Owner"}, "admin"],
    "c": []
}"""
CLIENT = Client(
    issuer="https://login.example.org",
    client_id="runyard",
    secret="hush-hush",
    callback="https://ml.example.org/login/oidc/callback",
    scopes="openid",
    name_claim="preferred_username",
    email_claim="email",
    groups_claim="groups",
    roles=role_map(ROLES),
    create_users="mapped",
)


def test_groups_give_roles() -> None:
    roles = role_map(ROLES)
    assert roles.given(["a", "b", "unknown"]) == (
        frozenset({Grant("w", "Reader"), Grant("v", "Owner")}),
        True,
    )
    assert roles.given(["c"]) == (frozenset(), False)
    assert roles.roles == {Grant("w", "Reader"), Grant("v", "Owner")}
    assert roles.decides_on_admins
    assert [roles.names_any(groups) for groups in (["a"], ["b", "x"], ["c"], [])] == [
        True,
        True,
        False,
        False,
    ]
    assert not role_map("")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"a": "owner"}',
        '{"a": {"workspace": "w"}}',
        '{"a": {"workspace": "w", "role": "r", "more": 1}}',
        '{"a": [["admin"]]}',
    ],
)
def test_what_is_no_map_of_roles_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="--oidc-roles") as caught:
        role_map(text)
    assert caught.value.field == "oidc_roles"


@pytest.mark.parametrize(
    ("changes", "claims", "found"),
    [
        ({}, {"preferred_username": "ann", "groups": ["a", "b"]}, ("ann", "", ("a", "b"))),
        ({}, {"preferred_username": "ann", "groups": "a"}, ("ann", "", ("a",))),
        ({}, {"preferred_username": "ann", "groups": ["a", 7, None]}, ("ann", "", ("a",))),
        ({}, {"preferred_username": "ann", "groups": {"a": 1}}, ("ann", "", ())),
        ({}, {"preferred_username": ["ann"]}, ("", "", ())),
        ({}, {"email": "a@b", "email_verified": True}, ("a@b", "a@b", ())),
        ({}, {"email": "a@b", "email_verified": "true"}, ("a@b", "a@b", ())),
        ({}, {"email": "a@b", "email_verified": "false"}, ("", "", ())),
        ({}, {"email": "a@b", "email_verified": 1}, ("a@b", "a@b", ())),
        ({"email_claim": "upn"}, {"upn": "a@b"}, ("a@b", "a@b", ())),
        ({"groups_claim": "realm.roles"}, {"realm": {"roles": ["a"]}}, ("", "", ("a",))),
        (
            {"groups_claim": "realm.roles"},
            {"realm.roles": ["b"], "realm": {"roles": ["a"]}},
            ("", "", ("b",)),
        ),
        ({"groups_claim": "realm.roles"}, {"realm": ["roles"]}, ("", "", ())),
        ({"name_claim": "name"}, {"name": " Ann\n\x00 "}, ("Ann", "", ())),
    ],
)
def test_claims_say_who_somebody_is(
    changes: dict[str, str], claims: dict[str, Any], found: tuple[str, str, tuple[str, ...]]
) -> None:
    client = msgspec.structs.replace(CLIENT, **changes)
    told = visitor(client, {"sub": "1", **claims})
    assert (told.name, told.email, told.groups) == found
    assert told.subject == "1"


def test_what_the_token_leaves_out_is_asked_for() -> None:
    assert not tells_all(CLIENT, {"preferred_username": "ann", "email": "a@b"})
    assert tells_all(CLIENT, {"preferred_username": "ann", "email": "a@b", "groups": []})
    without = msgspec.structs.replace(CLIENT, roles=role_map(""))
    assert tells_all(without, {"preferred_username": "ann", "email": "a@b"})


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("ann", "ann"),
        ("Ann.Adams@Example.org", "ann.adams@example.org"),
        ("Ann Adams", "ann-adams"),
        ("DOMAIN\\ann", "domain-ann"),
        ("_ann", "ann"),
        ("x" * 100, "x" * 64),
        ("ä", None),
        ("a", None),
        ("", None),
        ("local", None),
        ("Nobody", None),
    ],
)
def test_a_name_is_made_of_what_is_told(told: str, name: str | None) -> None:
    assert _name(told) == name


def test_secrets_are_not_shown() -> None:
    assert "hush" not in repr(CLIENT)


def test_an_attempt_is_known_by_who_sealed_it() -> None:
    seal = Seal("secret")
    attempt, kept = seal.begin("/x")
    assert seal.find(kept.encode(), attempt.state) == attempt
    assert Seal("secret").find(kept.encode(), attempt.state) == attempt
    for other in (None, b"", b".", b"x." + kept.partition(".")[2].encode(), kept.encode() + b"x"):
        assert seal.find(other, attempt.state) is None
    assert seal.find(kept.encode(), "") is None
    assert seal.find(kept.encode(), "é") is None
    assert Seal("other").find(kept.encode(), attempt.state) is None
