"""The first user turns login on, and can't turn it off again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from runyard.server.auth.service.users import add_first_admin, reset_password
from runyard.server.db import Database
from runyard.server.kernel.errors import AlreadyExists, InvalidArgument, NotFound
from tests.api.auth.browser import Browser
from tests.api.auth.team import NATIVE, PASSWORD, Team
from tests.api.conftest import Api, serve

USERS = f"{NATIVE}/users"
FIRST = {"name": "Ada", "password": PASSWORD, "is_admin": True}
AS_ADA = ("ada", PASSWORD)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"name": "ada", "password": PASSWORD}, "is_admin"),
        ({"name": "ada", "is_admin": True}, "password"),
        ({"name": "ada"}, "is_admin"),
    ],
)
def test_it_must_be_an_administrator_with_a_password(api: Api, sent: dict[str, object], field: str) -> None:
    reply = api.post(USERS, sent)
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert reply.field == field
    assert api.get(USERS).ok()["items"] == []


def test_it_turns_login_on_at_once(api: Api) -> None:
    # Given a server without login
    assert api.get(f"{NATIVE}/whoami").ok()["login_required"] is False
    # When
    made = api.post(USERS, FIRST).ok()
    # Then
    assert (made["name"], made["display_name"], made["has_password"]) == ("ada", "Ada", True)
    assert api.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
    assert api.post("experiments/create", {"name": "x"}).error == (401, "UNAUTHENTICATED")
    ada = api.as_(password=AS_ADA)
    assert ada.get(f"{NATIVE}/whoami").ok()["is_admin"] is True
    # The second one may be anybody.
    assert ada.post(USERS, {"name": "bob"}).ok()["is_admin"] is False


def test_service_principals_and_groups_turn_nothing_on(api: Api) -> None:
    api.post(f"{NATIVE}/service-principals", {"name": "robot"}).ok()
    api.post(f"{NATIVE}/groups", {"name": "people"}).ok()
    assert api.get(f"{NATIVE}/whoami").ok()["login_required"] is False
    reply = api.post(f"{NATIVE}/tokens", {"name": "mine"})
    assert reply.error == (403, "PERMISSION_DENIED")
    assert "no login" in reply.message


def test_it_is_noticed_by_a_server_that_runs(database: Database, tmp_path: Path, database_url: str) -> None:
    with serve(data=str(tmp_path), database=database_url) as api:
        # Given a request without login, so that the server has looked
        assert api.get(f"{NATIVE}/whoami").status == 200
        # When another process makes the first user
        made = add_first_admin(database, "Ada", PASSWORD)
        # Then the server asks for a login a second later at most, and this user can sign in
        assert made.is_admin
        assert api.as_(password=AS_ADA).get(f"{NATIVE}/whoami").status == 200
        while api.get(f"{NATIVE}/whoami").status == 200:
            pass
        assert api.get(f"{NATIVE}/whoami").error == (401, "UNAUTHENTICATED")
        assert api.as_(password=AS_ADA).get(f"{NATIVE}/whoami").ok()["name"] == "ada"


def test_a_password_that_the_command_line_resets(
    database: Database, tmp_path: Path, database_url: str
) -> None:
    # Given an administrator with a session and a token, and another who is disabled
    with serve(data=str(tmp_path), database=database_url) as api:
        api.post(USERS, FIRST).ok()
        ada, browser = api.as_(password=AS_ADA), Browser(api)
        for name, admin in (("eve", True), ("bob", False)):
            ada.post(USERS, {"name": name, "password": PASSWORD, "is_admin": admin}).ok()
        ada.patch(f"{USERS}/eve", {"is_disabled": True}).ok()
        token = ada.post(f"{NATIVE}/tokens", {"name": "kept"}).ok()["token"]
        browser.sign_in("ada", PASSWORD)
        assert browser.whoami() == "ada"
        # When
        changed, tokens = reset_password(database, "ADA", "another good password")
        # Then a server that runs knows of it within seconds
        assert (changed.name, changed.has_password, tokens) == ("ada", True, 1)
        deadline = time.monotonic() + 10
        while browser.whoami() is not None:
            assert time.monotonic() < deadline
        assert api.as_(password=("ada", "another good password")).get(f"{NATIVE}/whoami").status == 200
        assert api.as_(token).get(f"{NATIVE}/whoami").status == 200
        events = api.as_(token).get(f"{NATIVE}/activity?workspace=*&action=user.password").ok()["items"]
        assert [(e["actor"], e["target"], e["credential"]) for e in events] == [
            ("local", "ada", "command line")
        ]
        # When its tokens are to end as well
        assert reset_password(database, "ada", "another good password", revoke_tokens=True)[1] == 1
        while api.as_(token).get(f"{NATIVE}/whoami").status == 200:
            assert time.monotonic() < deadline + 10
        (event, _) = (
            api.as_(password=("ada", "another good password"))
            .get(f"{NATIVE}/activity?workspace=*&action=user.password")
            .ok()["items"]
        )
        assert event["detail"] == {"revoked_tokens": 1}
    with serve(data=str(tmp_path), database=database_url) as api:
        assert api.as_(password=AS_ADA).get(f"{NATIVE}/whoami").status == 401
    for name, kind in (("nobody", NotFound), ("bob", NotFound), ("eve", InvalidArgument)):
        with pytest.raises(kind, match="ada"):
            reset_password(database, name, PASSWORD)
    with pytest.raises(InvalidArgument):
        reset_password(database, "ada", "short")


def test_the_command_line_makes_only_the_first(database: Database) -> None:
    with pytest.raises(InvalidArgument):
        add_first_admin(database, "ada", "short")
    add_first_admin(database, "ada", PASSWORD)
    with pytest.raises(AlreadyExists):
        add_first_admin(database, "eve", PASSWORD)


@pytest.mark.parametrize(
    ("method", "body"),
    [("DELETE", None), ("PATCH", {"is_admin": False}), ("PATCH", {"is_disabled": True})],
)
def test_the_last_administrator_stays(team: Team, method: str, body: object) -> None:
    admin, path = team["admin"], f"{USERS}/admin"
    reply = admin.request(method, path, body)
    assert reply.error == (400, "INVALID_PARAMETER_VALUE")
    assert "last administrator" in reply.message
    # An administrator who couldn't sign in is none: one without password, one that is disabled, a program.
    admin.post(USERS, {"name": "eve", "is_admin": True}).ok()
    admin.post(USERS, {"name": "tim", "is_admin": True, "password": PASSWORD}).ok()
    admin.patch(f"{USERS}/tim", {"is_disabled": True}).ok()
    admin.post(f"{NATIVE}/service-principals", {"name": "robot", "is_admin": True}).ok()
    assert admin.request(method, path, body).status == 400
    # With another one it may go.
    admin.patch(f"{USERS}/tim", {"is_disabled": False}).ok()
    admin.request(method, path, body).ok()
    assert team["admin"].get(USERS).status in (401, 403)
