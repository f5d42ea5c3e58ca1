"""A server whose people may sign in at a provider, and what its database says of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import bindparam, select

from runyard.server.auth.tables import principal, role_assignment
from runyard.server.db import Query
from runyard.server.events.tables import event
from tests.api.auth import people
from tests.api.auth.browser import Browser
from tests.api.conftest import Api, Reply, serve
from tests.oidc.provider import CLIENT_ID, SECRET, OidcProvider, sign_in

HOME = "http://127.0.0.1"
CALLBACK = f"{HOME}/login/oidc/callback"
ROLES = {
    "ml": [{"workspace": "default", "role": "Contributor"}, {"workspace": "gone", "role": "Reader"}],
    "readers": {"workspace": "default", "role": "Reader"},
    "ops": "admin",
}

_p = principal.c
_user = Query(
    select(_p.id, _p.name, _p.display_name, _p.email, _p.is_admin, _p.external_id).where(
        _p.name == bindparam("who")
    )
)
_roles = Query(
    select(role_assignment.c.workspace_id, role_assignment.c.role)
    .join(principal, _p.id == role_assignment.c.principal_id)
    .where(_p.name == bindparam("who"))
    .order_by(role_assignment.c.role)
)
_events = Query(
    select(event.c.action, event.c.actor, event.c.credential, event.c.detail).order_by(event.c.id)
)


@contextmanager
def served(provider: OidcProvider, database_url: str, folder: Path, **more: Any) -> Iterator[Api]:
    """A server that knows the provider; its administrator is `root`."""
    people.add(database_url, "root", admin=True)
    given = {
        "public_url": HOME,
        "oidc_issuer": provider.issuer,
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": SECRET,
        "oidc_scopes": "openid profile email groups",
        "oidc_roles": json.dumps(ROLES),
        **more,
    }
    with serve(data=str(folder), database=database_url, **given) as started:
        yield started


def arrive(browser: Browser, login: str, goal: str = "/") -> Reply:
    """Sign in at the provider and come back."""
    return browser.get(come_back(browser, login, goal), FROM_THERE)


def come_back(browser: Browser, login: str, goal: str = "/") -> str:
    """Sign in at the provider; returns what the browser is then told to ask of the server."""
    begun = browser.get(f"/login/oidc?next={goal}")
    assert begun.status == 303, begun.content
    return local(sign_in(begun.headers["location"], login))


def local(address: str) -> str:
    """An address of the server without the server."""
    assert address.startswith(HOME), address
    return address.removeprefix(HOME)


def told(path: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}


# How a browser marks that another site sent it here.
FROM_THERE = {"Sec-Fetch-Site": "cross-site"}


def user(database_url: str, name: str) -> dict[str, Any] | None:
    """What is stored of a user."""
    with people.changing(database_url) as tx:
        row = tx.row(_user, who=name)
    names = ("id", "name", "display_name", "email", "is_admin", "external_id")
    return None if row is None else dict(zip(names, row, strict=True))


def roles(database_url: str, name: str) -> list[tuple[int, str]]:
    """The roles that a user has by itself."""
    with people.changing(database_url) as tx:
        return [(row[0], row[1]) for row in tx.rows(_roles, who=name)]


def events(database_url: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What was noted: action, actor, credential, detail."""
    with people.changing(database_url) as tx:
        return [(*row[:3], json.loads(row[3])) for row in tx.rows(_events)]
