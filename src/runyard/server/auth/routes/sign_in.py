"""`/`, `/login` and `/logout`: how people get in and out, without script."""

from __future__ import annotations

from typing import Any

from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from runyard import __version__
from runyard.server.auth.permissions import Permission
from runyard.server.auth.service.cookies import SessionCookie
from runyard.server.auth.service.gate import Gate
from runyard.server.auth.service.issuing import DEFAULT_DAYS, MAX_DAYS
from runyard.server.auth.service.sessions import LONGEST, Sessions
from runyard.server.auth.types import Principal
from runyard.server.kernel.errors import LimitExceeded, RunyardError, Unauthenticated
from runyard.server.web import Call, Route
from runyard.server.web.errors import render
from runyard.server.web.forms import own_path, read_form
from runyard.server.web.guards import require_own_page

YEAR = 365 * 24 * 3600


class Visit:
    """What the pages share: the look, the cookie, the headers.

    Args:
        cookie: names the session's.
        public_url: where people reach the server; empty where that isn't known.
        provider: the host at which people can sign in too; empty without one.
    """

    def __init__(self, cookie: SessionCookie, public_url: str, provider: str) -> None:
        self.cookie = cookie
        self._public_url = public_url
        self._provider = provider
        self._headers: dict[str, str] = {}
        if public_url.startswith("https:"):
            self._headers["Strict-Transport-Security"] = f"max-age={YEAR}"

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page; `leads_to` is an origin beside the server's own that its forms may lead to."""
        # A start doesn't need Jinja.
        from runyard.server.auth.routes import pages

        return pages.render(template, status, self._headers, **values)

    def home(
        self, scope: Scope, principal: Principal | None, problem: RunyardError | None = None
    ) -> Response:
        """What the server is and who is signed in; `problem`: why they got no token."""
        return self.page(
            "home.html",
            200 if problem is None else render(problem, "")[0],
            version=__version__,
            name=principal.name if principal else "",
            admin=principal is not None and principal.identity.is_admin,
            address=self.address(scope),
            days=DEFAULT_DAYS,
            longest=MAX_DAYS,
            problem=problem.message if problem else "",
        )

    def address(self, scope: Scope) -> str:
        """Where people reach the server, as far as that is known."""
        return self._public_url or f"{scope['scheme']}://{_host(scope)}"

    def wrong(self, problem: RunyardError) -> Response:
        """What is wrong with an address, or with who followed it."""
        return self.page(
            "told.html", render(problem, "")[0], title="That can't be done", text=problem.message
        )

    def form(self, goal: str, *, name: str = "", problem: str = "", status: int = 200) -> Response:
        """The page to sign in at."""
        return self.page(
            "sign_in.html",
            status,
            next=goal,
            name=name,
            problem=problem,
            provider=self._provider,
            # Where the provider sends people back to, the cookie must have been set.
            at=self._public_url.rstrip("/"),
        )

    def goes_on(self, scope: Scope, goal: str, session: str) -> Response:
        """Keep a new session in the browser and go on to where the visitor wanted to."""
        answer = self.redirect(goal)
        self.keep(answer, scope, "session", session, LONGEST // 1000)
        return answer

    def forgets(self, scope: Scope) -> Response:
        """Drop the browser's session and go to the page to sign in at."""
        answer = self.redirect("/login")
        self.keep(answer, scope, "session", "", 0)
        return answer

    def redirect(self, goal: str) -> Response:
        """Go on to an address with GET."""
        return RedirectResponse(goal, 303, {"Cache-Control": "no-store", **self._headers})

    def keep(self, answer: Response, scope: Scope, purpose: str, value: str, seconds: int) -> None:
        """Let the browser keep something for a purpose so long; for 0 seconds it drops it."""
        answer.set_cookie(
            self.cookie.name(scope, purpose),
            value,
            max_age=seconds,
            path="/",
            secure=self.cookie.secure(scope),
            httponly=True,
            samesite="lax",
        )


class SignInRoutes:
    """Handlers of the pages.

    Args:
        gate: knows who is signed in.
        sessions: begins and ends sessions.
        visit: what the pages share.
    """

    def __init__(self, gate: Gate, sessions: Sessions, visit: Visit) -> None:
        self._gate = gate
        self._sessions = sessions
        self._visit = visit

    def routes(self) -> list[Route]:
        """The table of these pages."""
        return [
            page("GET", "/", self.home, "Who is signed in, and where what is"),
            page("GET", "/login", self.show, "The page to sign in at"),
            page("POST", "/login", self.sign_in, "Sign in with a name and a password"),
            page("POST", "/logout", self.sign_out, "End the browser's session"),
        ]

    async def home(self, call: Call) -> Response:
        """The start page, for whoever is signed in."""
        principal = await self._gate.recognize(call.scope)
        if principal is None and self._gate.login_required:
            return self._visit.redirect("/login")
        return self._visit.home(call.scope, principal)

    async def show(self, call: Call) -> Response:
        """The page to sign in at, for whoever isn't."""
        goal = own_path(call.query.get("next", [None])[-1])
        principal = await self._gate.recognize(call.scope)
        if principal is not None or not self._gate.login_required:
            return self._visit.redirect(goal)
        return self._visit.form(goal)

    async def sign_in(self, call: Call) -> Response:
        """Begin a session."""
        require_own_page(call.scope)
        form = await read_form(call.scope, call.receive)
        goal, name = own_path(form.get("next")), form.get("name", "")
        await self._gate.look()
        if not self._gate.login_required:
            return self._visit.redirect("/")
        try:
            session = await self._sessions.sign_in(
                name, form.get("password", ""), address_of(call.scope), self._visit.cookie.session(call.scope)
            )
        except Unauthenticated as error:
            return self._visit.form(goal, name=name, problem=error.message, status=401)
        except LimitExceeded as error:
            return self._visit.form(goal, name=name, problem=error.message, status=429)
        return self._visit.goes_on(call.scope, goal, session)

    async def sign_out(self, call: Call) -> Response:
        """End the browser's session."""
        require_own_page(call.scope)
        session = self._visit.cookie.session(call.scope)
        principal = await self._gate.recognize(call.scope)
        if session is not None and principal is not None:
            await self._sessions.sign_out(session, principal)
        return self._visit.forgets(call.scope)


def page(method: str, path: str, handler: Any, summary: str) -> Route:
    """A route for people, whoever they are; what they may see, the handler decides."""
    return Route(
        method=method,
        path=path,
        handler=handler,
        permission=Permission.PUBLIC,
        summary=summary,
        source="stream" if method == "POST" else "none",
        page=True,
    )


def address_of(scope: Scope) -> str:
    """Where a request came from; empty where that isn't known."""
    client = scope.get("client")
    return client[0] if client else ""


def _host(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"host":
            return str(value.decode("latin-1"))
    return "localhost"
