"""`/cli`: where people let the command line in; and how it asks what there is and gets its token."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from runyard.server.auth import names
from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.sign_in import Visit, address_of, page
from runyard.server.auth.routes.token_form import whole_number
from runyard.server.auth.routes.tokens import MadeToken, made_token
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.issuing import DEFAULT_DAYS, MAX_DAYS, lifetime
from runyard.server.auth.service.login_codes import Asked, LoginCodes
from runyard.server.auth.types import Principal, TokenKind
from runyard.server.kernel.errors import InvalidArgument, PermissionDenied
from runyard.server.web import Call, Route
from runyard.server.web.forms import read_form
from runyard.server.web.guards import require_own_page
from runyard.server.web.native import native

PATH = "/cli"
# SHA-256 in base64url, and what a program makes up for itself.
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_STATE = re.compile(r"[A-Za-z0-9_-]{16,128}")
# Below are those of a machine's own services.
_PORTS = range(1024, 65536)


class SignIn(msgspec.Struct):
    """How people sign in to this server.

    Attributes:
        login_required: false where it has no login at all.
        provider: the host of the OpenID Connect provider at which they can; null without one.
        max_days: the most days that a personal token lives.
    """

    login_required: bool
    provider: str | None
    max_days: int


class CodeExchange(msgspec.Struct):
    """A code that came back from the browser.

    Attributes:
        code: the code; it is good once, and for three minutes.
        verifier: the text whose SHA-256, in base64url, was the `challenge` (PKCE, RFC 7636, S256).
    """

    code: str
    verifier: str


class Request(msgspec.Struct, frozen=True):
    """What a program asks for, as it stands in the page's address and in its form.

    Attributes:
        challenge, name, days: see `Asked`.
        state: what comes back with the answer.
        port: of 127.0.0.1, where the answer goes to; None where it is shown, to be carried by hand.
    """

    challenge: str
    state: str
    name: str
    days: int
    port: int | None

    @property
    def asked(self) -> Asked:
        """The same for the service."""
        return Asked(base64.urlsafe_b64decode(self.challenge + "="), self.name, self.days)

    @property
    def fields(self) -> dict[str, str]:
        """As an address or a form has it."""
        return {name: str(value) for name, value in msgspec.structs.asdict(self).items() if value is not None}

    @property
    def origin(self) -> str:
        """Where the answer goes to: always this machine's own address, never a name."""
        return "" if self.port is None else f"http://127.0.0.1:{self.port}"

    def back(self, **told: str) -> str:
        """The address that takes the answer."""
        return f"{self.origin}/?{urlencode({**told, 'state': self.state})}"


class CommandLineRoutes:
    """Handlers of these addresses.

    Args:
        gate: knows who is signed in.
        codes: gives codes and takes them back.
        visit: what the pages share.
        provider: the host at which people can sign in too; empty without one.
    """

    def __init__(self, gate: Gate, codes: LoginCodes, visit: Visit, provider: str) -> None:
        self._gate = gate
        self._codes = codes
        self._visit = visit
        self._provider = provider

    def routes(self) -> list[Route]:
        """The table of these addresses."""
        anybody, change = Permission.PUBLIC, "/tokens/exchange"
        return [
            page("GET", PATH, self.show, "Who wants to sign in on the command line"),
            page("POST", PATH, self.decide, "Let the command line in, or not"),
            native("GET", "/login", self.tell, None, SignIn, anybody, "How people sign in"),
            native(
                "POST", change, self.exchange, CodeExchange, MadeToken, anybody, "Change a code for a token"
            ),
        ]

    async def tell(self, call: Call) -> SignIn:
        """GET login"""
        del call
        await self._gate.look()
        return SignIn(self._gate.login_required, self._provider or None, MAX_DAYS)

    async def exchange(self, call: Call) -> MadeToken:
        """POST tokens/exchange"""
        sent: CodeExchange = call.body
        made = await self._codes.exchange(sent.code, sent.verifier, address_of(call.scope))
        return made_token(*made)

    async def show(self, call: Call) -> Response:
        """The page that asks."""
        return await self._answer(call, {name: values[-1] for name, values in call.query.items()})

    async def decide(self, call: Call) -> Response:
        """What somebody answered to it."""
        require_own_page(call.scope)
        form = await read_form(call.scope, call.receive)
        return await self._answer(call, form, form.get("answer", "deny"))

    async def _answer(self, call: Call, values: Mapping[str, str], answer: str | None = None) -> Response:
        principal = await self._gate.recognize(call.scope)
        if not self._gate.login_required:
            return self._visit.redirect("/")
        try:
            request = _read(values)
        except InvalidArgument as error:
            return self._visit.wrong(error)
        if principal is None:
            goal = f"{PATH}?{urlencode(request.fields)}"
            return self._visit.redirect(f"/login?{urlencode({'next': goal})}")
        try:
            _require_session(principal)
        except PermissionDenied as error:
            return self._visit.wrong(error)
        if answer is None:
            return self._visit.page("cli.html", leads_to=request.origin, request=request, principal=principal)
        if answer != "approve":
            return self._denied(request)
        code = await self._codes.approve(principal, request.asked)
        if request.port is None:
            return self._visit.page("cli_code.html", code=code)
        return self._visit.redirect(request.back(code=code))

    def _denied(self, request: Request) -> Response:
        if request.port is not None:
            return self._visit.redirect(request.back(error="access_denied"))
        return self._visit.page(
            "told.html",
            title="Not let in",
            text="No token was made. The command in the terminal can be ended with Ctrl+C.",
        )


def _read(values: Mapping[str, str]) -> Request:
    """What an address or a form asks for.

    Raises:
        InvalidArgument: it isn't what the command line writes.
    """
    challenge, state = values.get("challenge", ""), values.get("state", "")
    days = whole_number(values.get("days", ""), "days")
    port = whole_number(values.get("port", ""), "port")
    if not _CHALLENGE.fullmatch(challenge) or not _STATE.fullmatch(state):
        raise InvalidArgument(
            "This address isn't one that `runyard login` writes, or it was cut off. Copy all of it, or begin "
            "anew in the terminal.",
            field="challenge",
        )
    if port is not None and port not in _PORTS:
        raise InvalidArgument(f"'port' is {_PORTS[0]} to {_PORTS[-1]}, not {port}.", field="port")
    lifetime(DEFAULT_DAYS if days is None else days)
    return Request(challenge, state, names.token_name(values.get("name", "")), days or DEFAULT_DAYS, port)


def _require_session(principal: Principal) -> None:
    """Let only who is signed in in the browser pass: another credential would outlive itself.

    Raises:
        PermissionDenied: it came by another credential.
    """
    if principal.token is None or principal.token.kind is not TokenKind.SESSION:
        raise PermissionDenied("Sign in in the browser to let the command line in.")
