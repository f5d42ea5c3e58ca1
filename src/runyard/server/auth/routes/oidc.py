"""`/login/oidc`: the way to an OpenID Connect provider and back; and who is whom there."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from runyard.server.auth.permissions import Permission
from runyard.server.auth.routes.sign_in import Visit, address_of, page
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.oidc import OidcLogin
from runyard.server.auth.service.oidc.attempt import LASTS
from runyard.server.kernel.errors import RunyardError
from runyard.server.web import Call, Route
from runyard.server.web.errors import render
from runyard.server.web.forms import own_path

START, CALLBACK = "/login/oidc", "/login/oidc/callback"
_KEPT = "oidc"


class Link(msgspec.Struct):
    """Who a user is at the provider.

    Attributes:
        subject: what the provider calls the person, as its claim `sub`; null for nobody.
    """

    subject: str | None


class OidcRoutes:
    """Handlers of these addresses.

    Args:
        gate: knows whether people have to sign in.
        login: the way to the provider and back.
        visit: what the pages share.
    """

    def __init__(self, gate: Gate, login: OidcLogin, visit: Visit) -> None:
        self._gate = gate
        self._login = login
        self._visit = visit

    def routes(self) -> list[Route]:
        """The table of these addresses."""
        return [
            page("GET", START, self.begin, "Sign in at the provider"),
            page("GET", CALLBACK, self.finish, "Come back from the provider"),
            Route(
                method="PUT",
                path="/api/runyard/1/users/{name}/oidc",
                handler=self.link,
                permission=Permission.USER_WRITE,
                summary="Say who a user is at the OpenID Connect provider",
                request=Link,
                source="body",
                response=Link,
                tag="users",
            ),
        ]

    async def begin(self, call: Call) -> Response:
        """Send the visitor to the provider."""
        goal = own_path(call.query.get("next", [None])[-1])
        await self._gate.look()
        if not self._gate.login_required:
            return self._visit.redirect("/")
        try:
            to, kept = await self._login.begin(goal)
        except RunyardError as error:
            return self._visit.form(goal, problem=error.message, status=_status(error, call))
        answer = self._visit.redirect(to)
        self._visit.keep(answer, call.scope, _KEPT, kept, LASTS)
        return answer

    async def finish(self, call: Call) -> Response:
        """Let in whom the provider has recognized."""
        cookie = self._visit.cookie
        query = {name: values[-1] for name, values in call.query.items()}
        try:
            session, goal = await self._login.finish(
                query, cookie.find(call.scope, _KEPT), address_of(call.scope), cookie.session(call.scope)
            )
        except RunyardError as error:
            answer = self._visit.form("/", problem=error.message, status=_status(error, call))
        else:
            answer = self._visit.goes_on(call.scope, goal, session)
        # Whatever came of it, it isn't tried twice.
        self._visit.keep(answer, call.scope, _KEPT, "", 0)
        return answer

    async def link(self, call: Call) -> Link:
        """Say who a user is at the provider."""
        body: Link = call.body
        await self._login.link(call.principal, call.path["name"], body.subject)
        return body


def _status(error: RunyardError, call: Call) -> int:
    return render(error, call.request_id)[0]
