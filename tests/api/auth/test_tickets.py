"""Tickets: what goes with the parts of an upload, which clients send without their own credential."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from sqlalchemy import null, update

from runyard.server.auth.service import issuing, sessions
from runyard.server.auth.store import access, tokens
from runyard.server.auth.store import sessions as session_store
from runyard.server.auth.tables import token as token_table
from runyard.server.auth.types import TokenKind
from runyard.server.db import Query
from runyard.server.kernel import clock
from tests.api.auth.team import NATIVE, OWN, PASSWORD, Team, opened
from tests.api.conftest import Api, Reply
from tests.api.test_artifacts import BYTES, PROXY, get, root
from tests.api.test_multipart import MPU, complete

TOKENS = f"{NATIVE}/tokens"
DENIED, MISSING = (403, "PERMISSION_DENIED"), (404, "RESOURCE_DOES_NOT_EXIST")
ENDED = (401, "UNAUTHENTICATED")


@dataclass(frozen=True)
class Upload:
    """An upload of two parts that somebody has begun."""

    api: Api
    folder: str
    id: str
    urls: list[str]
    ticket: str

    def send(self, api: Api, part: int = 1) -> Reply:
        """Send a part as whoever `api` is."""
        return api.request("PUT", self.urls[part - 1], content=b"part", headers=BYTES)

    def abort(self) -> Reply:
        """Abort it as whoever began it."""
        return self.api.post(f"{MPU}/abort/{self.folder}", {"path": "big.bin", "upload_id": self.id})


def begin(api: Api, run: str) -> Upload:
    """Begin an upload; every part's headers bear the same ticket."""
    folder = root(api, run)
    made = api.post(f"{MPU}/create/{folder}", {"path": "big.bin", "num_parts": 2}).ok()
    first, second = made["credentials"]
    assert first["headers"] == second["headers"]
    scheme, ticket = first["headers"]["Authorization"].split(" ")
    assert (scheme, ticket[:4]) == ("Bearer", "ryu_")
    urls = [urlsplit(part["url"]).path for part in (first, second)]
    return Upload(api, folder, made["upload_id"], urls, ticket)


@pytest.fixture
def upload(team: Team) -> Upload:
    """An upload to a run of the scientist's."""
    return begin(team["scientist"], team["scientist"].run())


def test_parts_need_the_ticket_and_nothing_else(team: Team, upload: Upload) -> None:
    bearer = team.api.as_(upload.ticket)
    replies = [upload.send(bearer, part) for part in (1, 2)]
    assert [reply.status for reply in replies] == [200, 200]
    tags = {part: replies[part - 1].headers["etag"] for part in (1, 2)}
    complete(upload.api, upload.folder, "big.bin", upload.id, tags).ok()
    assert get(upload.api, f"{upload.folder}/big.bin").content == b"partpart"
    assert upload.send(team.nobody).error == (401, "UNAUTHENTICATED")


def test_parts_may_come_with_the_credential_too(team: Team, upload: Upload) -> None:
    assert upload.send(upload.api).status == 200
    assert upload.send(team["reader"]).error == DENIED
    assert upload.send(team["foreigner"]).error == MISSING


def test_a_ticket_opens_nothing_else(team: Team, upload: Upload) -> None:
    api, run = team.api.as_(upload.ticket), upload.folder.split("/")[2]
    denied = {
        "whoami": api.get(f"{NATIVE}/whoami"),
        "workspaces": api.get(f"{NATIVE}/workspaces"),
        "token": api.post(TOKENS, {"name": "x"}),
        "tokens": api.get(TOKENS),
        "users": api.get(f"{NATIVE}/users"),
        "run": api.get("runs/get", {"run_id": run}),
        "search": api.get("experiments/search"),
        "log": api.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1}),
        "download": get(api, f"{upload.folder}/a"),
        "upload": api.request("PUT", f"{PROXY}/{upload.folder}/a", content=b"x", headers=BYTES),
        "create": api.post(f"{MPU}/create/{upload.folder}", {"path": "a", "num_parts": 1}),
        "complete": complete(api, upload.folder, "big.bin", upload.id, {1: "x"}),
        "abort": api.post(f"{MPU}/abort/{upload.folder}", {"path": "big.bin", "upload_id": upload.id}),
    }
    assert {name: reply.error for name, reply in denied.items()} == dict.fromkeys(denied, DENIED)
    page = api.request("GET", "/", headers={"Accept": "text/html"})
    assert page.status == 303 or b"scientist" not in page.content
    assert upload.send(team.api.as_(upload.ticket, workspace="other")).error == MISSING


def test_it_is_neither_listed_nor_logged(team: Team, upload: Upload) -> None:
    listed = upload.api.get(TOKENS, {"expired": "true"}).ok()["items"]
    assert {token["kind"] for token in listed} == {"personal"}
    assert team.events("token.create") == []


def test_it_ends_with_what_its_owner_may(team: Team, upload: Upload) -> None:
    bearer = team.api.as_(upload.ticket)
    assert upload.send(bearer).status == 200
    experiment = upload.folder.split("/")[1]
    rule = {"experiment_id": experiment, "principal": "scientist", "level": "CAN_READ"}
    team["owner"].put(f"{NATIVE}/workspaces/{OWN}/rules", rule).ok()
    assert upload.send(bearer).error == DENIED
    team["admin"].delete(f"{NATIVE}/users/scientist").ok()
    assert upload.send(bearer).error == (401, "UNAUTHENTICATED")


def test_it_expires(team: Team, upload: Upload) -> None:
    a_ticket = token_table.c.kind == int(TokenKind.UPLOAD)
    with opened(team.url) as database:
        kept = database.read_here(lambda c: c.rows(Query(token_table.select().where(a_ticket))))
        (row,) = kept
        left = row[token_table.c.keys().index("expiry_time")] - clock.now_ms()
        assert 23 * 3_600_000 < left <= 24 * 3_600_000
        expired = Query(update(token_table).where(a_ticket).values(expiry_time=clock.now_ms() - 1))
        database.write_from_thread(lambda tx: tx.execute(expired))
    reply = upload.send(team.api.as_(upload.ticket))
    assert reply.error == (401, "UNAUTHENTICATED")
    assert "Begin the upload anew" in reply.message


def test_that_of_a_run_token_reaches_its_run_only(team: Team) -> None:
    scientist = team["scientist"]
    run = scientist.run()
    secret = scientist.post(f"{TOKENS}/run", {"run_id": run}).ok()["token"]
    own, other = begin(team.api.as_(secret), run), begin(scientist, scientist.run())
    bearer = team.api.as_(own.ticket)
    assert own.send(bearer).status == 200
    assert other.send(bearer).error == MISSING


def test_it_is_for_one_upload(team: Team, upload: Upload) -> None:
    bearer = team.api.as_(upload.ticket)
    other = begin(upload.api, upload.folder.split("/")[2])
    refused = other.send(bearer)
    assert refused.error == DENIED
    assert "another upload" in refused.message
    assert upload.send(bearer).status == 200
    # And those from before they were bound are for none
    unbound = update(token_table).where(token_table.c.upload == upload.id).values(upload=null())
    with opened(team.url) as database:
        database.write_from_thread(lambda tx: tx.execute(Query(unbound)))
    _revoke(team, team["owner"].post(TOKENS, {"name": "any"}).ok()["id"])
    assert upload.send(bearer).error == DENIED


def _revoke(team: Team, token: str) -> None:
    team["admin"].delete(f"{TOKENS}/{token}").ok()


def test_it_ends_with_the_token_that_made_it(team: Team) -> None:
    scientist = team["scientist"]
    run = scientist.run()
    made = scientist.post(TOKENS, {"name": "of a job"}).ok()
    upload, other = begin(team.api.as_(made["token"]), run), begin(scientist, run)
    assert upload.send(team.api.as_(upload.ticket)).status == 200
    _revoke(team, made["id"])
    assert upload.send(team.api.as_(upload.ticket)).error == ENDED
    assert other.send(team.api.as_(other.ticket)).status == 200


def test_what_is_being_revoked_makes_none(team: Team) -> None:
    """Another process may know a revoked token for five seconds, and a ticket is good for a day."""
    scientist = team["scientist"]
    run = scientist.run()
    made = scientist.post(TOKENS, {"name": "of a job"}).ok()
    job = team.api.as_(made["token"])
    folder = root(job, run)
    with opened(team.url) as database:
        database.write_from_thread(lambda tx: tokens.drop(tx, int(made["id"])))
    refused = job.post(f"{MPU}/create/{folder}", {"path": "big.bin", "num_parts": 2})
    assert refused.error == ENDED
    assert _tickets(team) == 0


@pytest.mark.parametrize("how", ["reset", "disable"])
def test_it_ends_with_the_password_that_made_it(team: Team, how: str) -> None:
    scientist, at = team["scientist"], f"{NATIVE}/users/scientist"
    run = scientist.run()
    team["admin"].put(f"{at}/password", {"password": PASSWORD}).ok()
    upload, other = begin(team.api.as_(password=("scientist", PASSWORD)), run), begin(scientist, run)
    assert upload.send(team.api.as_(upload.ticket)).status == 200
    if how == "reset":
        team["admin"].put(f"{at}/password", {"password": f"{PASSWORD} 2"}).ok()
    else:
        for is_disabled in (True, False):
            team["admin"].patch(at, {"is_disabled": is_disabled}).ok()
    assert upload.send(team.api.as_(upload.ticket)).error == ENDED
    # What a token made ends with that token
    assert other.send(team.api.as_(other.ticket)).status == 200


@pytest.mark.parametrize("how", ["sign out", "sign in again", "reset"])
def test_it_ends_with_the_session_that_made_it(team: Team, how: str) -> None:
    # Given a ticket that somebody's browser has
    scientist, session = team["scientist"], sessions.new_token()
    team["admin"].put(f"{NATIVE}/users/scientist/password", {"password": PASSWORD}).ok()
    with opened(team.url) as database:
        row = database.read_here(lambda c: access.find_by_name(c, "scientist"))
        assert row is not None
        database.write_from_thread(lambda tx: sessions.begin(tx, row, session, "password", ""))
    upload = begin(team.api.as_(session), scientist.run())
    assert upload.send(team.api.as_(upload.ticket)).status == 200
    # When the session ends
    if how == "reset":
        team["admin"].put(f"{NATIVE}/users/scientist/password", {"password": f"{PASSWORD} 2"}).ok()
    else:
        with opened(team.url) as database:
            if how == "sign out":
                database.write_from_thread(
                    lambda tx: session_store.delete_one(tx, sessions.digest_of(session.encode()))
                )
            else:
                new, old = sessions.new_token(), session.encode()
                database.write_from_thread(lambda tx: sessions.begin(tx, row, new, "password", "", old))
        _revoke(team, team["owner"].post(TOKENS, {"name": "any"}).ok()["id"])  # the server looks anew
    # Then
    assert upload.send(team.api.as_(upload.ticket)).error == ENDED


def _tickets(team: Team) -> int:
    team["owner"].experiment()  # what is written later is written before this
    with opened(team.url) as database:
        a_ticket = Query(token_table.select().where(token_table.c.kind == int(TokenKind.UPLOAD)))
        return len(database.read_here(lambda c: c.rows(a_ticket)))


def test_it_goes_with_its_upload(team: Team, upload: Upload) -> None:
    run = upload.folder.split("/")[2]
    aborted = begin(upload.api, run)
    tag = upload.send(team.api.as_(upload.ticket)).headers["etag"]
    assert complete(upload.api, upload.folder, "big.bin", upload.id, {1: "wrong"}).status == 400
    assert _tickets(team) == 2
    complete(upload.api, upload.folder, "big.bin", upload.id, {1: tag}).ok()
    assert _tickets(team) == 1
    aborted.abort().ok()
    assert _tickets(team) == 0


def test_nobody_has_uploads_without_end(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(issuing.MAX_VALID, TokenKind.UPLOAD, 2)
    scientist = team["scientist"]
    run = scientist.run()
    first, _ = begin(scientist, run), begin(scientist, run)
    refused = scientist.post(f"{MPU}/create/{first.folder}", {"path": "big.bin", "num_parts": 2})
    assert refused.error == (403, "QUOTA_EXCEEDED")
    assert "has begun 2 uploads in parts" in refused.message
    begin(team["contributor"], run)
    first.abort().ok()
    assert _tickets(team) == 2
    begin(scientist, run)


def test_without_login_there_is_none(api: Api) -> None:
    folder = root(api, api.run())
    made = api.post(f"{MPU}/create/{folder}", {"path": "a", "num_parts": 1}).ok()
    assert "headers" not in made["credentials"][0]


def test_nobody_ends_the_upload_of_others_by_its_id(team: Team, upload: Upload) -> None:
    own = begin(team["contributor"], team["contributor"].run())
    sent = {"path": "big.bin", "upload_id": upload.id}
    own.api.post(f"{MPU}/abort/{own.folder}", sent).ok()
    assert upload.send(team.api.as_(upload.ticket)).status == 200
