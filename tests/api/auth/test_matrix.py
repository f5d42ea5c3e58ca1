"""Every route as every role and as nobody, in the own and in a foreign workspace: the whole matrix.

What is expected follows from the permission that a route declares and from what the roles come to, so a new
route is covered without a line here. The handlers are replaced: a route answers 200 when its caller was let
in, whatever the request holds, and nothing is changed on the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runyard.server import app
from runyard.server.auth import Permission
from runyard.server.auth.permissions import OF_RUN_TOKEN, TRACKING
from runyard.server.auth.rules import BUILT_IN, permissions_of
from runyard.server.web import Application, Call, Route
from tests.api.auth.team import FOREIGN, GROUP, NATIVE, OWN, PEOPLE, ROLES, Team, serve_team
from tests.api.conftest import Api, serve

LET_IN, NOBODY, DENIED, MISSING = 200, 401, 403, 404
# What stands for a path's parameters; the workspace's name is the one that the request is about.
PARAMETERS = {"experiment_id": "0"}


class _LetIn(Application):
    """The application with handlers that only say that somebody was let in."""

    def __init__(self, *, routes: list[Route], **rest: Any) -> None:
        super().__init__(
            routes=[replace(route, handler=_let_in, request=None, source="none") for route in routes], **rest
        )


async def _let_in(call: Call) -> dict[str, str]:
    return {"let in": call.principal.name}


class Matrix:
    """A server whose handlers are replaced, and its team."""

    def __init__(self, api: Api, tokens: Mapping[str, str], routes: tuple[Route, ...]) -> None:
        self.api = api
        self.tokens = tokens
        self.routes = routes

    def walk(self, who: str | None, workspace: str) -> dict[str, tuple[int, Permission]]:
        """What each route answers to somebody in a workspace, and the permission that it declares."""
        api = self.api.as_(None if who is None else self.tokens[who], workspace=workspace)
        found = {}
        for route in self.routes:
            assert isinstance(route.permission, Permission)
            reply = api.request(route.method, _path(route, workspace))
            status = LET_IN if reply.status in (201, 204) else reply.status
            found[f"{route.method} {route.path}"] = (status, route.permission)
        return found


def _path(route: Route, workspace: str) -> str:
    """An address of the route."""
    known = {**PARAMETERS, "workspace": workspace}
    return re.sub(r"{(\w+)(:path)?}", lambda found: known.get(found[1], "x"), route.path)


@pytest.fixture
def matrix(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Matrix]:
    """A team with tokens of every kind, once on each system."""
    with serve_team(database_url, str(tmp_path)) as team:
        tokens = {name: team.token(name) for name in PEOPLE} | _narrow(team)
    built: list[Application] = []

    def build(**given: Any) -> Application:
        built.append(_LetIn(**given))
        return built[0]

    monkeypatch.setattr(app, "Application", build)
    with serve(data=str(tmp_path), database=database_url) as api:
        yield Matrix(api, tokens, built[0].routes)


def _narrow(team: Team) -> dict[str, str]:
    """Tokens of the administrator that are for less than all it may do."""
    admin, path = team["admin"], f"{NATIVE}/tokens"
    return {
        "tracking": admin.post(f"{path}/tracking").ok()["token"],
        "run": admin.post(f"{path}/run", {"run_id": admin.run()}).ok()["token"],
        "of one workspace": admin.post(path, {"name": "x", "workspace": OWN}).ok()["token"],
    }


# What everybody holds in its own workspace. `foreigner` has another one.
HELD: dict[str, frozenset[Permission]] = {
    **{name: permissions_of([BUILT_IN[role]]) for name, role in ROLES.items() if name != GROUP},
    "grouped": permissions_of([BUILT_IN[ROLES[GROUP]]]),
    "program": permissions_of([BUILT_IN["Contributor"]]),
    "foreigner": permissions_of([BUILT_IN["Owner"]]),
    "admin": frozenset(Permission),
    "stranger": frozenset(),
    "tracking": TRACKING,
    "run": OF_RUN_TOKEN,
    "of one workspace": frozenset(p for p in Permission if not p.of_server),
}
HOMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(HELD, (OWN,)),
    "admin": (OWN, FOREIGN),
    "foreigner": (FOREIGN,),
    "stranger": (),
}


def _expected(who: str | None, permission: Permission, workspace: str) -> int:
    if permission is Permission.PUBLIC:
        return LET_IN
    if who is None:
        return NOBODY
    if permission is Permission.SIGNED_IN:
        return LET_IN
    if not permission.of_server and workspace not in HOMES[who]:
        return MISSING
    return LET_IN if permission in HELD[who] else DENIED


def test_the_whole_matrix(matrix: Matrix) -> None:
    wrong = {}
    for who in (None, *HELD):
        for workspace in (OWN, FOREIGN, "missing"):
            for route, (status, permission) in matrix.walk(who, workspace).items():
                expected = _expected(who, permission, workspace)
                if status != expected:
                    wrong[f"{who} in {workspace}: {route}"] = (status, expected)
    assert wrong == {}


def test_a_second_address_needs_what_the_first_one_does(matrix: Matrix) -> None:
    by_end: dict[tuple[str, str], set[object]] = {}
    for route in matrix.routes:
        for prefix in ("/api/2.0", "/ajax-api/2.0", "/api/3.0", "/ajax-api/3.0"):
            if route.path.startswith(prefix):
                end = route.path.removeprefix(prefix)
                by_end.setdefault((route.method, end), set()).add(route.permission)
    assert {end for end, permissions in by_end.items() if len(permissions) > 1} == set()


def test_the_matrix_is_no_formality(matrix: Matrix) -> None:
    """Every role is let in somewhere and kept out somewhere, and every permission but few has a route."""
    for who in HELD:
        answers = {status for status, _ in matrix.walk(who, OWN).values()}
        assert LET_IN in answers
        assert answers & {DENIED, MISSING} or who == "admin"
    declared = {route.permission for route in matrix.routes}
    assert len(declared) > 15
