"""`/tokens`: the form of the start page that makes a personal token, and the page that shows it once."""

from __future__ import annotations

from starlette.responses import Response

from runyard.server.auth.routes.sign_in import Visit, page
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.issuing import DAY
from runyard.server.auth.service.tokens import Tokens
from runyard.server.kernel.errors import InvalidArgument, RunyardError
from runyard.server.web import Call, Route
from runyard.server.web.forms import read_form
from runyard.server.web.guards import require_own_page


class TokenForm:
    """Its handler.

    Args:
        gate: knows who is signed in.
        tokens: makes them.
        visit: what the pages share.
    """

    def __init__(self, gate: Gate, tokens: Tokens, visit: Visit) -> None:
        self._gate = gate
        self._tokens = tokens
        self._visit = visit

    def routes(self) -> list[Route]:
        """The table of these pages."""
        return [page("POST", "/tokens", self.make, "Make a personal token and show it")]

    async def make(self, call: Call) -> Response:
        """A token for whoever is signed in."""
        require_own_page(call.scope)
        form = await read_form(call.scope, call.receive)
        principal = await self._gate.recognize(call.scope)
        if principal is None:
            return self._visit.redirect("/")
        try:
            token, secret = await self._tokens.create(
                principal,
                form.get("name", ""),
                days=whole_number(form.get("days", ""), "days"),
                workspace=None,
                owner=None,
            )
        except RunyardError as error:
            return self._visit.home(call.scope, principal, error)
        return self._visit.page(
            "token.html",
            token=token,
            secret=secret,
            days=(token.expiry_time - token.creation_time) // DAY,
            address=self._visit.address(call.scope),
        )


def whole_number(text: str, field: str) -> int | None:
    """A number that somebody typed; None for nothing.

    Raises:
        InvalidArgument: it is none.
    """
    plain = text.strip()
    if not plain:
        return None
    if not plain.isascii() or not plain.isdigit() or len(plain) > 9:
        raise InvalidArgument(f"'{field}' is a whole number, not '{plain[:20]}'.", field=field)
    return int(plain)
