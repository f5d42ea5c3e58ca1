"""Tickets: what goes with the parts of an upload, which clients send without their own credential."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from sqlalchemy import update

from runyard.server.auth.tables import token as token_table
from runyard.server.auth.types import TokenKind
from runyard.server.db import Query
from runyard.server.kernel import clock
from tests.api.auth.team import NATIVE, OWN, Team, opened
from tests.api.conftest import Api, Reply
from tests.api.test_artifacts import BYTES, PROXY, get, root
from tests.api.test_multipart import MPU, complete

TOKENS = f"{NATIVE}/tokens"
DENIED, MISSING = (403, "PERMISSION_DENIED"), (404, "RESOURCE_DOES_NOT_EXIST")


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


def test_without_login_there_is_none(api: Api) -> None:
    folder = root(api, api.run())
    made = api.post(f"{MPU}/create/{folder}", {"path": "a", "num_parts": 1}).ok()
    assert "headers" not in made["credentials"][0]
