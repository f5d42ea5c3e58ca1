"""Talking with an OpenID Connect provider. Imported when the first person signs in there.

Authorization code flow with PKCE (RFC 7636), `state` and `nonce`; the provider's addresses and keys come
from its discovery document (OpenID Connect Discovery 1.0); a token is believed when it is signed by one of
those keys, for this client, from this issuer, in time, and for this very attempt.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from runyard.server.auth.service.oidc.attempt import Attempt
from runyard.server.auth.service.oidc.client import Client, tells_all
from runyard.server.kernel import clock
from runyard.server.kernel.addresses import is_loopback, is_private
from runyard.server.kernel.errors import PermissionDenied, Unauthenticated, Unavailable

log = logging.getLogger("runyard.oidc")

TIMEOUT = 10.0
# How long the provider's addresses and keys are kept, and how soon a key that isn't among them is looked for.
KEPT, AGAIN = 3600.0, 10.0
# How far the provider's clock may differ, in seconds.
LEEWAY = 60
# Signatures that need the provider's private key; nothing that this server's own secret could make.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519")

_ADDRESSES = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class Provider:
    """One provider.

    Args:
        client: this server as the provider knows it.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        # Proxies and certificates of the environment hold for other machines only.
        self._elsewhere = not is_loopback(urlsplit(client.issuer).hostname or "")
        self._tls = httpx.create_ssl_context(trust_env=self._elsewhere)
        self._metadata: dict[str, Any] = {}
        self._read_metadata = 0.0
        self._keys: KeySet | None = None
        self._read_keys = 0.0

    async def address(self, attempt: Attempt) -> str:
        """Where the visitor's browser goes to sign in.

        Raises:
            Unavailable: the provider can't be asked.
        """
        told = await self._discover()
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._client.callback,
            "scope": self._client.scopes,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": create_s256_code_challenge(attempt.verifier),
            "code_challenge_method": "S256",
        }
        to = str(told["authorization_endpoint"])
        return f"{to}{'&' if urlsplit(to).query else '?'}{urlencode(query)}"

    async def claims(self, code: str, issuer: str | None, attempt: Attempt) -> dict[str, Any]:
        """What the provider says of whom it has recognized.

        Args:
            code: what the browser brought back from it.
            issuer: what the answer calls the provider (RFC 9207), if it does.
            attempt: what the browser had kept.

        Raises:
            Unauthenticated: it recognized nobody, or what it says isn't to be believed.
            Unavailable: the provider can't be asked.
        """
        told = await self._discover()
        named = told.get("authorization_response_iss_parameter_supported") is True
        if issuer != self._client.issuer and (issuer is not None or named):
            raise _unbelievable(f"the answer is from {issuer!r}")
        async with self._http() as http:
            tokens = await self._exchange(http, code, attempt)
            claims = await self._id_token(http, tokens, attempt)
            at = told.get("userinfo_endpoint")
            if at is None or tells_all(self._client, claims):
                return claims
            return {**await self._user_info(http, str(at), tokens, claims["sub"]), **claims}

    def refused(self, reason: str, description: str) -> PermissionDenied:
        """The error for what the provider said instead of recognizing somebody."""
        told = f"{reason[:100]}: {description[:200]}" if description else reason[:100]
        return PermissionDenied(
            f"The provider didn't let you in ({told}). Try again, or ask whoever administers it."
        )

    async def _exchange(self, http: httpx.AsyncClient, code: str, attempt: Attempt) -> dict[str, Any]:
        """Turn the code into tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.callback,
            "code_verifier": attempt.verifier,
        }
        headers, methods = {}, self._metadata.get("token_endpoint_auth_methods_supported")
        if methods is None or "client_secret_basic" in methods:
            pair = f"{quote_plus(self._client.client_id)}:{quote_plus(self._client.secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._client.client_id, "client_secret": self._client.secret}
        answer = await self._send(
            http.build_request("POST", self._metadata["token_endpoint"], data=form, headers=headers), http
        )
        tokens = _json(answer)
        if answer.status_code == 200 and isinstance(tokens.get("id_token"), str):
            return tokens
        reason = str(tokens.get("error", f"status {answer.status_code}"))[:100]
        log.warning("the provider gave no token: %s", reason)
        if reason == "invalid_grant":
            raise Unauthenticated(
                "This answer of the provider was used before or came too late. Sign in again."
            )
        raise Unavailable(
            f"The provider refused this server ({reason}): its client id, secret or address of return may be "
            "wrong. Tell an administrator."
        )

    async def _id_token(
        self, http: httpx.AsyncClient, tokens: Mapping[str, Any], attempt: Attempt
    ) -> dict[str, Any]:
        """The claims of the ID token, once it is known to be true."""
        text = tokens["id_token"]
        told = self._metadata.get("id_token_signing_alg_values_supported", ALGORITHMS)
        algorithms = [name for name in ALGORITHMS if name in told]
        try:
            try:
                token = jwt.decode(text, await self._key_set(http), algorithms)
            except InvalidKeyIdError:  # the provider has new keys
                token = jwt.decode(text, await self._key_set(http, anew=True), algorithms)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self._client.issuer},
                    "aud": {"essential": True, "value": self._client.client_id},
                    "sub": {"essential": True},
                    "nonce": {"essential": True, "value": attempt.nonce},
                },
                {
                    "client_id": self._client.client_id,
                    "nonce": attempt.nonce,
                    "access_token": tokens.get("access_token"),
                },
            )
            claims.validate(now=clock.now_ms() // 1000, leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _unbelievable(f"{type(error).__name__}: {error}") from error
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise _unbelievable("its subject is no text of at most 255 characters")
        return dict(claims)

    async def _user_info(
        self, http: httpx.AsyncClient, at: str, tokens: Mapping[str, Any], subject: str
    ) -> dict[str, Any]:
        """What the ID token left out."""
        headers = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        answer = await self._send(http.build_request("GET", at, headers=headers), http)
        told = _json(answer)
        if answer.status_code != 200:
            log.warning("the provider's userinfo can't be had: status %d", answer.status_code)
            return {}
        if told.get("sub") != subject:
            raise _unbelievable("its userinfo is about somebody else")
        return told

    async def _key_set(self, http: httpx.AsyncClient, *, anew: bool = False) -> KeySet:
        age = clock.monotonic() - self._read_keys
        if self._keys is None or age > (AGAIN if anew else KEPT):
            answer = await self._send(http.build_request("GET", self._metadata["jwks_uri"]), http)
            self._keys = KeySet.import_key_set(_json(answer))  # type: ignore[arg-type]
            self._read_keys = clock.monotonic()
        return self._keys

    async def _discover(self) -> dict[str, Any]:
        if self._metadata and clock.monotonic() - self._read_metadata < KEPT:
            return self._metadata
        at = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        async with self._http() as http:
            told = _json(await self._send(http.build_request("GET", at), http))
        if told.get("issuer") != self._client.issuer:
            log.warning(
                "the provider calls itself %r; --oidc-issuer must be the same", str(told.get("issuer"))[:200]
            )
            raise _unavailable()
        addresses = [told.get(name, "") for name in _ADDRESSES]
        if not all(
            is_private(str(at)) for at in [*addresses, told.get("userinfo_endpoint", self._client.issuer)]
        ):
            log.warning("the provider's addresses aren't all https://")
            raise _unavailable()
        self._metadata, self._read_metadata = told, clock.monotonic()
        return told

    def _http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIMEOUT, verify=self._tls, trust_env=self._elsewhere)

    async def _send(self, request: httpx.Request, http: httpx.AsyncClient) -> httpx.Response:
        try:
            return await http.send(request)
        except httpx.HTTPError as error:
            log.warning("the provider can't be reached: %s", error or type(error).__name__)
            raise _unavailable() from error


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _unavailable() -> Unavailable:
    return Unavailable(
        "The provider can't be asked now; the server's log says why. Try again in a moment, or tell an "
        "administrator."
    )


def _unbelievable(reason: str) -> Unauthenticated:
    log.warning("an answer of the provider isn't to be believed: %s", reason)
    return Unauthenticated(
        "The provider's answer isn't to be believed; the server's log says why. Sign in again, and tell an "
        "administrator if that doesn't help."
    )
