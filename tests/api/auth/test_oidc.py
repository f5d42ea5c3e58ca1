"""Sign-in at a real OpenID Connect provider: who gets in, as whom, and with which roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.auth import people
from tests.api.auth.browser import Browser, problem
from tests.api.auth.oidc import CALLBACK, arrive, events, roles, served, user
from tests.api.conftest import Api
from tests.oidc.provider import OidcProvider

DEFAULT = 1


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    started = OidcProvider(tmp_path_factory.mktemp("provider"), CALLBACK)
    yield started
    started.end()


@pytest.fixture
def server(provider: OidcProvider, database_url: str, tmp_path: Path) -> Iterator[Api]:
    with served(provider, database_url, tmp_path) as started:
        yield started


def test_the_page_offers_it(server: Api, provider: OidcProvider) -> None:
    page = Browser(server).get("/login?next=/x").content.decode()
    assert 'href="http://127.0.0.1/login/oidc?next=/x"' in page
    assert f"Sign in with {provider.issuer.removeprefix('http://')}" in page


def test_the_first_sign_in_makes_a_user(server: Api, provider: OidcProvider, database_url: str) -> None:
    # Given somebody in a group that gives something
    provider.tell(
        "4711",
        preferred_username="Eve.Adams",
        name="Eve Adams",
        email="eve@example.org",
        email_verified=True,
        groups=["ml", "chess"],
    )
    browser = Browser(server)
    # When
    reply = arrive(browser, "4711", "/api/runyard/1/server")
    # Then
    assert (reply.status, reply.headers["location"]) == (303, "/api/runyard/1/server")
    assert browser.whoami() == "eve.adams"
    assert user(database_url, "eve.adams") | {"id": 0} == {  # type: ignore[operator]
        "id": 0,
        "name": "eve.adams",
        "display_name": "Eve Adams",
        "email": "eve@example.org",
        "is_admin": 0,
        "external_id": f"{provider.issuer}|4711",
    }
    assert roles(database_url, "eve.adams") == [(DEFAULT, "Contributor")]
    assert [event[:3] for event in events(database_url)] == [
        ("user.create", "eve.adams", "openid connect"),
        ("role.assign", "eve.adams", "openid connect"),
        ("login.succeed", "eve.adams", "openid connect"),
    ]
    # And a second one finds it, whatever the name is now
    provider.tell("4711", preferred_username="eve.brown", name="Eve Brown", groups=["ml"])
    again = Browser(server)
    arrive(again, "4711")
    assert again.whoami() == "eve.adams"
    found = user(database_url, "eve.adams")
    assert found is not None
    assert (found["display_name"], found["email"]) == ("Eve Brown", "eve@example.org")


def test_groups_give_and_take(server: Api, provider: OidcProvider, database_url: str) -> None:
    # Given a user with a role that no group gives
    provider.tell("fay", preferred_username="fay", groups=["ml"])
    arrive(Browser(server), "fay")
    found = user(database_url, "fay")
    assert found is not None
    people.assign(database_url, DEFAULT, found["id"], "Compute Operator")
    # When
    provider.tell("fay", preferred_username="fay", groups=["readers", "ops"])
    browser = Browser(server)
    arrive(browser, "fay")
    # Then
    assert roles(database_url, "fay") == [(DEFAULT, "Compute Operator"), (DEFAULT, "Reader")]
    assert "an administrator" in browser.get("/").content.decode()
    # And without groups
    provider.tell("fay", preferred_username="fay")
    arrive(browser, "fay")
    assert roles(database_url, "fay") == [(DEFAULT, "Compute Operator")]
    assert "an administrator" not in browser.get("/").content.decode()
    settled = [(action, detail) for action, _, _, detail in events(database_url) if action != "login.succeed"]
    by = {"by": "openid connect"}
    assert settled == [
        ("user.create", by),
        ("role.assign", {"role": "Contributor", **by}),
        ("user.update", {"is_admin": True, **by}),
        ("role.take", {"role": "Contributor", **by}),
        ("role.assign", {"role": "Reader", **by}),
        ("user.update", {"is_admin": False, **by}),
        ("role.take", {"role": "Reader", **by}),
    ]


def test_what_is_lost_is_lost_at_once(server: Api, provider: OidcProvider) -> None:
    provider.tell("gus", preferred_username="gus", groups=["ops"])
    first, second = Browser(server), Browser(server)
    arrive(first, "gus")
    assert first.submit("/api/runyard/1/users/gus/oidc", {}).status == 405
    provider.tell("gus", preferred_username="gus")
    arrive(second, "gus")
    assert "an administrator" not in first.get("/").content.decode()


@pytest.mark.parametrize(
    ("allowed", "groups", "gets_in"),
    [
        ("no", ["ml"], False),
        ("mapped", ["ml"], True),
        ("mapped", ["chess"], False),
        ("mapped", [], False),
        ("yes", [], True),
    ],
)
def test_who_gets_an_account(
    provider: OidcProvider, database_url: str, tmp_path: Path, allowed: str, groups: list[str], gets_in: bool
) -> None:
    provider.tell("hal", preferred_username="hal", groups=groups)
    with served(provider, database_url, tmp_path, oidc_create_users=allowed) as server:
        browser = Browser(server)
        reply = arrive(browser, "hal")
        assert reply.status == (303 if gets_in else 403)
        assert (user(database_url, "hal") is not None) is gets_in
        if not gets_in:
            assert "no account here" in problem(reply)
            assert "'hal'" in problem(reply)
            assert "runyard_session" not in browser.cookies


def test_a_name_gives_nobody_an_account(server: Api, provider: OidcProvider, database_url: str) -> None:
    # Given an account with a password, and its name and address at the provider
    provider.tell(
        "mallory", preferred_username="ROOT", email="root@example.org", email_verified=True, groups=["ops"]
    )
    browser = Browser(server)
    # When, Then
    reply = arrive(browser, "mallory")
    assert reply.status == 403
    assert "The name 'root' belongs to another account here" in problem(reply)
    assert browser.whoami() is None
    found = user(database_url, "root")
    assert found is not None
    assert found["external_id"] is None
    # And only an administrator may say that it is the same person
    anyone = Browser(server)
    linked = {"subject": "mallory"}
    path = "/api/runyard/1/users/root/oidc"
    assert server.request("PUT", path, linked).status == 401
    provider.tell("ida", preferred_username="ida", groups=["ml"])
    arrive(anyone, "ida")
    headers = {"Cookie": f"runyard_session={anyone.cookies['runyard_session']}", "Origin": "http://127.0.0.1"}
    assert server.request("PUT", path, linked, headers=headers).status == 403
    anyone.sign_in("root")
    headers["Cookie"] = f"runyard_session={anyone.cookies['runyard_session']}"
    assert server.request("PUT", path, linked, headers=headers).ok() == linked
    # When
    arrive(browser, "mallory")
    # Then
    assert browser.whoami() == "root"
    # And one person is one user
    reply = server.request("PUT", "/api/runyard/1/users/ida/oidc", linked, headers=headers)
    assert reply.error == (400, "RESOURCE_ALREADY_EXISTS")
    reply = server.request("PUT", "/api/runyard/1/users/nemo/oidc", linked, headers=headers)
    assert reply.error == (404, "RESOURCE_DOES_NOT_EXIST")
    # And it can be undone
    server.request("PUT", path, {"subject": None}, headers=headers).ok()
    assert arrive(Browser(server), "mallory").status == 403


@pytest.mark.parametrize(
    ("claims", "outcome"),
    [
        ({"email": "joe@example.org", "email_verified": True}, "joe@example.org"),
        ({"email": "joe@example.org", "email_verified": False}, None),
        ({"email": "joe@example.org"}, None),
        ({}, None),
    ],
)
def test_an_address_counts_when_it_is_verified(
    provider: OidcProvider,
    database_url: str,
    tmp_path: Path,
    claims: dict[str, object],
    outcome: str | None,
) -> None:
    # Given accounts that are called as people's addresses
    provider.tell("joe", preferred_username="joe", groups=["ml"], **claims)
    with served(provider, database_url, tmp_path, oidc_name_claim="email") as server:
        # When
        browser = Browser(server)
        reply = arrive(browser, "joe")
    # Then
    if outcome is None:
        assert reply.status == 403
        assert "only one that it has verified" in problem(reply)
        assert user(database_url, "joe@example.org") is None
    else:
        found = user(database_url, outcome)
        assert found is not None
        assert found["email"] == outcome


def test_an_address_that_is_not_verified_is_not_kept(
    server: Api, provider: OidcProvider, database_url: str
) -> None:
    provider.tell("kim", preferred_username="kim", email="root@example.org", groups=["ml"])
    arrive(Browser(server), "kim")
    found = user(database_url, "kim")
    assert found is not None
    assert found["email"] == ""


def test_a_deleted_user_comes_back_as_the_same_person(
    server: Api, provider: OidcProvider, database_url: str
) -> None:
    # Given somebody who was deleted
    admin = server.as_(password=("root", people.PASSWORD))
    provider.tell("mona", preferred_username="mona", groups=["ml"])
    arrive(Browser(server), "mona")
    found = user(database_url, "mona")
    gone = admin.delete("/api/runyard/1/users/mona").ok()
    restore = ("/api/runyard/1/trash/restore", {"items": [{"kind": "user", "id": gone["id"]}]})
    # When she signs in meanwhile, under the same name or another one
    for name, why in (("mona", "belongs to another user now"), ("mona.lisa", "is the user 'mona.lisa' here")):
        provider.tell("mona", preferred_username=name, groups=["ml"])
        arrive(Browser(server), "mona")
        # Then that is a new account, which is in the way
        reply = admin.post(*restore)
        assert reply.error == (400, "RESOURCE_ALREADY_EXISTS")
        assert why in reply.message
        admin.delete(f"/api/runyard/1/users/{name}").ok()
    # When
    admin.post(*restore).ok()
    assert user(database_url, "mona") == found
    # Then she signs in to it, with the roles that her groups give now
    provider.tell("mona", preferred_username="mona", groups=["readers"])
    browser = Browser(server)
    arrive(browser, "mona")
    assert browser.whoami() == "mona"
    assert roles(database_url, "mona") == [(DEFAULT, "Reader")]


def test_a_disabled_user_stays_out(server: Api, provider: OidcProvider, database_url: str) -> None:
    # Given somebody who is signed in
    provider.tell("leo", preferred_username="leo", groups=["ml"])
    browser = Browser(server)
    arrive(browser, "leo")
    assert browser.whoami() == "leo"
    # When
    people.disable(database_url, "leo")
    # Then
    reply = arrive(Browser(server), "leo")
    assert reply.status == 403
    assert "disabled" in problem(reply)


def test_the_token_itself_may_tell_all(database_url: str, tmp_path: Path) -> None:
    provider = OidcProvider(tmp_path, CALLBACK, claims_in_token=True)
    try:
        provider.tell("mia", preferred_username="mia", groups=["ml"])
        with served(provider, database_url, tmp_path) as server:
            browser = Browser(server)
            arrive(browser, "mia")
            assert browser.whoami() == "mia"
            assert roles(database_url, "mia") == [(DEFAULT, "Contributor")]
    finally:
        provider.end()
