"""Sign-in at a provider, attacked: each answer that isn't to be believed has a clear outcome."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from runyard.server.auth.service.oidc import attempt
from runyard.server.auth.service.oidc import provider as provider_module
from runyard.server.kernel import clock
from tests.api.auth.browser import SESSION, Browser, problem
from tests.api.auth.oidc import CALLBACK, FROM_THERE, arrive, come_back, local, served, told, user
from tests.api.conftest import Api, Reply
from tests.oidc.provider import CLIENT_ID, SECRET, OidcProvider, cancel, sign_in

KEPT = "runyard_oidc"
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OidcProvider]:
    started = OidcProvider(tmp_path_factory.mktemp("provider"), CALLBACK)
    started.tell("eve", preferred_username="eve", groups=["ml"])
    yield started
    started.end()


@pytest.fixture
def server(provider: OidcProvider, database_url: str, tmp_path: Path) -> Iterator[Api]:
    with served(provider, database_url, tmp_path) as started:
        yield started


@pytest.fixture
def browser(server: Api) -> Browser:
    return Browser(server)


def _refused(reply: Reply, status: int, part: str, browser: Browser) -> None:
    assert (reply.status, part in problem(reply)) == (status, True), problem(reply)
    assert SESSION not in browser.cookies
    assert browser.whoami() is None


def test_the_way_there_is_guarded(browser: Browser, provider: OidcProvider) -> None:
    reply = browser.get("/login/oidc?next=/x")
    address = reply.headers["location"]
    assert address.startswith(f"{provider.issuer}/auth?")
    asked = told(address)
    assert asked["redirect_uri"] == CALLBACK
    assert asked["code_challenge_method"] == "S256"
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43
    line = reply.headers["set-cookie"].lower()
    assert all(part in line for part in ("httponly", "samesite=lax", "max-age=600", "path=/"))
    assert SECRET not in address


def test_a_wrong_state_is_refused(browser: Browser) -> None:
    path = come_back(browser, "eve")
    wrong = path.replace(told(path)["state"], "x" * 43)
    _refused(browser.get(wrong, FROM_THERE), 400, "wasn't begun in this browser", browser)
    # And the right one is spent with it
    _refused(browser.get(path, FROM_THERE), 400, "wasn't begun in this browser", browser)


@pytest.mark.parametrize("spoil", ["left out", "another's", "changed", "not base64", "not ours"])
def test_another_browser_cannot_come_back(server: Api, browser: Browser, spoil: str) -> None:
    # Given what somebody else would like this browser to do: sign in as them
    path = come_back(Browser(server), "eve")
    browser.get("/login/oidc")
    content, _, seal = browser.cookies[KEPT].partition(".")
    padded = content + "=" * (-len(content) % 4)
    state = told(path)["state"]
    mine = json.loads(base64.urlsafe_b64decode(padded))
    changed = base64.urlsafe_b64encode(json.dumps([state, *mine[1:]]).encode()).decode().rstrip("=")
    sealed = attempt.Seal("another secret").begin("/")[1]
    kept = {
        "left out": "",
        "another's": browser.cookies[KEPT],
        "changed": f"{changed}.{seal}",
        "not base64": f"=.{seal}",
        "not ours": sealed,
    }
    browser.cookies[KEPT] = kept[spoil]
    # When, Then
    _refused(browser.get(path, FROM_THERE), 400, "wasn't begun in this browser", browser)


def test_a_code_is_good_once(browser: Browser) -> None:
    # Given a sign-in that came to its end, and was watched
    path = come_back(browser, "eve")
    kept = browser.cookies[KEPT]
    assert browser.get(path, FROM_THERE).status == 303
    # When
    thief = Browser(browser.api)
    thief.cookies[KEPT] = kept
    # Then
    _refused(thief.get(path, FROM_THERE), 401, "was used before", thief)


def test_a_code_without_its_verifier_is_worth_nothing(server: Api, browser: Browser) -> None:
    # Given somebody else's code
    code = told(come_back(Browser(server), "eve"))["code"]
    path = come_back(browser, "eve")
    # When
    swapped = path.replace(told(path)["code"], code)
    # Then
    _refused(browser.get(swapped, FROM_THERE), 401, "was used before or came too late", browser)


def test_after_ten_minutes_it_is_too_late(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    path = come_back(browser, "eve")
    late = clock.now_ms() + attempt.LASTS * 1000 + 1
    monkeypatch.setattr(clock, "now_ms", lambda: late)
    _refused(browser.get(path, FROM_THERE), 400, "ten minutes", browser)


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
def test_an_answer_of_another_provider_is_refused(browser: Browser, issuer: str | None) -> None:
    query = told(come_back(browser, "eve")) | {"iss": issuer or ""}
    if issuer is None:
        del query["iss"]
    reply = browser.get(f"{local(CALLBACK)}?{urlencode(query)}", FROM_THERE)
    _refused(reply, 401, "isn't to be believed", browser)


def test_a_refusal_of_the_provider_is_told(browser: Browser) -> None:
    there = browser.get("/login/oidc").headers["location"]
    _refused(browser.get(local(cancel(there)), FROM_THERE), 403, "access_denied", browser)


def test_what_the_provider_says_is_no_html(browser: Browser) -> None:
    state = told(browser.get("/login/oidc").headers["location"])["state"]
    query = urlencode({"state": state, "error": "<script>", "error_description": "<img src=x>" * 100})
    reply = browser.get(f"{local(CALLBACK)}?{query}", FROM_THERE)
    assert reply.status == 403
    assert b"<script" not in reply.content
    assert b"<img" not in reply.content
    assert len(problem(reply)) < 500


@pytest.mark.parametrize(
    "goal", ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil.example", "login"]
)
def test_the_way_back_leads_to_no_other_site(browser: Browser, goal: str) -> None:
    begun = browser.get(f"/login/oidc?{urlencode({'next': goal})}")
    reply = browser.get(local(sign_in(begun.headers["location"], "eve")), FROM_THERE)
    assert (reply.status, reply.headers["location"]) == (303, "/")


def test_a_session_that_was_there_before_ends(server: Api, browser: Browser) -> None:
    # Given a session that somebody else knows
    browser.sign_in("root")
    known = browser.cookies[SESSION]
    # When
    arrive(browser, "eve")
    # Then
    assert browser.whoami() == "eve"
    assert browser.cookies[SESSION] != known
    other = Browser(server)
    other.cookies[SESSION] = known
    assert other.whoami() is None


def _sent_instead(monkeypatch: pytest.MonkeyPatch, at: str, change: Change) -> None:
    """Let the provider's answer at an address be another one."""
    send = provider_module.Provider._send

    async def changed(
        self: provider_module.Provider, request: httpx.Request, http: httpx.AsyncClient
    ) -> httpx.Response:
        answer = await send(self, request, http)
        if not request.url.path.endswith(at):
            return answer
        told = answer.json()
        change(told)
        return httpx.Response(answer.status_code, json=told, request=request)

    monkeypatch.setattr(provider_module.Provider, "_send", changed)


def _claims(text: str) -> dict[str, Any]:
    part = text.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _resigned(provider: OidcProvider, header: dict[str, Any], **changes: Any) -> Change:
    def change(tokens: dict[str, Any]) -> None:
        claims = {k: v for k, v in (_claims(tokens["id_token"]) | changes).items() if v is not None}
        key = provider.keys.keys[0]
        tokens["id_token"] = jwt.encode({"alg": "RS256", "kid": key.kid, **header}, claims, key)

    return change


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "for another client": {"aud": "somebody"},
    "for several, by another": {"aud": [CLIENT_ID, "somebody"], "azp": "somebody"},
    "for several, by nobody": {"aud": [CLIENT_ID, "somebody"]},
    "over": {"exp": 1_700_000_000},
    "without an end": {"exp": None},
    "of another attempt": {"nonce": "x" * 43},
    "of no attempt": {"nonce": None},
    "from the future": {"iat": 4_000_000_000},
    "about nobody": {"sub": None},
    "about nobody much": {"sub": ""},
    "about a number": {"sub": 7},
    "beside another access token": {"at_hash": "x" * 22},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_token_must_be_for_this_very_sign_in(
    browser: Browser, provider: OidcProvider, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sent_instead(monkeypatch, "/token", _resigned(provider, {}, **WRONG[what]))
    _refused(arrive(browser, "eve"), 401, "isn't to be believed", browser)


def test_a_token_that_was_signed_anew_is_as_good(
    browser: Browser, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the tests above would show nothing."""
    _sent_instead(monkeypatch, "/token", _resigned(provider, {}))
    arrive(browser, "eve")
    assert browser.whoami() == "eve"


def _without_signature(tokens: dict[str, Any]) -> None:
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    tokens["id_token"] = f"{head}.{tokens['id_token'].split('.')[1]}."


def _with_our_secret(tokens: dict[str, Any]) -> None:
    key = OctKey.import_key(SECRET.encode().ljust(32, b"x"))
    tokens["id_token"] = jwt.encode({"alg": "HS256"}, _claims(tokens["id_token"]), key)


def _with_another_key(tokens: dict[str, Any]) -> None:
    head, claims, _ = tokens["id_token"].split(".")
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    key = KeySet.generate_key_set("RSA", 2048, count=1).keys[0]
    tokens["id_token"] = jwt.encode({"alg": "RS256", "kid": kid}, _claims(f".{claims}"), key)


def _about_another(tokens: dict[str, Any]) -> None:
    head, claims, seal = tokens["id_token"].split(".")
    other = json.dumps(_claims(f".{claims}") | {"sub": "root"}).encode()
    tokens["id_token"] = f"{head}.{base64.urlsafe_b64encode(other).decode().rstrip('=')}.{seal}"


def _garbage(tokens: dict[str, Any]) -> None:
    tokens["id_token"] = "garbage"


@pytest.mark.parametrize(
    "tamper", [_without_signature, _with_our_secret, _with_another_key, _about_another, _garbage]
)
def test_a_token_must_be_signed_by_the_provider(
    browser: Browser, tamper: Change, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _sent_instead(monkeypatch, "/token", tamper)
    _refused(arrive(browser, "eve"), 401, "isn't to be believed", browser)
    assert "isn't to be believed" in caplog.text


def test_userinfo_about_another_is_refused(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    _sent_instead(monkeypatch, "/me", lambda found: found.update(sub="root"))
    _refused(arrive(browser, "eve"), 401, "isn't to be believed", browser)


def test_a_provider_that_calls_itself_otherwise_is_refused(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _sent_instead(
        monkeypatch, "/openid-configuration", lambda found: found.update(issuer="https://a.example")
    )
    _refused(browser.get("/login/oidc"), 503, "can't be asked", browser)
    assert "--oidc-issuer" in caplog.text


@pytest.mark.parametrize(
    "name", ["jwks_uri", "token_endpoint", "userinfo_endpoint", "authorization_endpoint"]
)
def test_keys_and_tokens_come_over_a_safe_way_only(
    browser: Browser, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {name: "http://login.example.org/x"}
    _sent_instead(monkeypatch, "/openid-configuration", lambda told: told.update(found))
    _refused(browser.get("/login/oidc"), 503, "can't be asked", browser)


def test_new_keys_are_found(
    browser: Browser, provider: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a server that knows the provider's keys
    monkeypatch.setattr(provider_module, "AGAIN", -1.0)
    arrive(browser, "eve")
    # When the provider has others
    old = provider.keys
    provider.keys = KeySet.generate_key_set("RSA", 2048, count=1)
    new = provider.keys.as_dict(private=False)
    _sent_instead(monkeypatch, "/jwks", lambda found: found.update(new))
    _sent_instead(monkeypatch, "/token", _resigned(provider, {}))
    again = Browser(browser.api)
    arrive(again, "eve")
    # Then
    assert again.whoami() == "eve"
    provider.keys = old


def test_a_provider_that_is_away_is_told_of(database_url: str, tmp_path: Path) -> None:
    # Given a provider that was there
    provider = OidcProvider(tmp_path, CALLBACK)
    with served(provider, database_url, tmp_path) as server:
        browser = Browser(server)
        provider.end()
        # When, Then
        _refused(browser.get("/login/oidc"), 503, "can't be asked", browser)
        # And whoever has a password gets in
        browser.sign_in("root")
        assert browser.whoami() == "root"


def test_a_wrong_secret_is_the_administrators_concern(
    provider: OidcProvider, database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with served(provider, database_url, tmp_path, oidc_client_secret="wrong") as server:
        browser = Browser(server)
        path = come_back(browser, "eve")
        _refused(browser.get(path, FROM_THERE), 503, "invalid_client", browser)
        assert told(path)["code"] not in caplog.text
        assert user(database_url, "eve") is None
