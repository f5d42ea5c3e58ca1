"""Every released client does against Runyard all that it can do."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import RunScript
from .environments import CLIENTS
from .server import is_peer

FULL = ("mlflow1", "mlflow2", "mlflow3")
SINCE_2 = ("mlflow2", "mlflow3", "skinny")
SINCE_3 = ("mlflow3", "skinny")

# What each script proves is in its own first line.
SCRIPTS = {
    "fluent": CLIENTS,
    "environment": CLIENTS,
    "guides": CLIENTS,
    "experiments": CLIENTS,
    "runs": CLIENTS,
    "history": CLIENTS,
    "search": CLIENTS,
    "parallel": CLIENTS,
    "artifacts": CLIENTS,
    "stock_cli": CLIENTS,
    "workspaces": CLIENTS,
    "quotas": CLIENTS,
    "autolog": FULL,
    "datasets": SINCE_2,
    "async_logging": SINCE_2,
    "multipart": SINCE_2,
    "system_metrics": ("mlflow2", "mlflow3"),
    "logged_models": SINCE_3,
}

# Enough of the above to meet every table and every kind of query once more on PostgreSQL.
CORE = {
    "fluent": ("skinny",),
    "experiments": ("skinny",),
    "runs": ("mlflow1", "skinny"),
    "history": ("skinny",),
    "search": ("mlflow1", "skinny"),
    "parallel": ("skinny",),
    "workspaces": ("mlflow1", "skinny"),
    "datasets": ("skinny",),
    "logged_models": ("skinny",),
}

# Everything that a client sends must carry its credential, or need none.
WITH_LOGIN = {
    "fluent": ("mlflow1", "mlflow2", "skinny"),
    "experiments": ("skinny",),
    "runs": ("skinny",),
    "history": ("skinny",),
    "search": ("skinny",),
    "parallel": ("skinny",),
    "artifacts": ("mlflow1", "mlflow2", "skinny"),
    "multipart": SINCE_2,
    "credentials": CLIENTS,
    "stock_cli": ("skinny",),
    "async_logging": ("skinny",),
    "datasets": ("skinny",),
    "logged_models": ("skinny",),
}


def _cases(table: dict[str, tuple[str, ...]]) -> list[Any]:
    """A case for each client of each script; those of one client stay with one worker."""
    return [
        pytest.param(
            client, script, id=f"{client}-{script}", marks=pytest.mark.xdist_group(f"compat-{client}")
        )
        for client in CLIENTS
        for script, clients in table.items()
        if client in clients
    ]


@pytest.mark.parametrize(("client", "script"), _cases(SCRIPTS))
def test_client(client: str, script: str, run_script: RunScript) -> None:
    run_script(client, script)


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("client", "script"), _cases(CORE))
def test_client_on(client: str, script: str, run_script: RunScript) -> None:
    run_script(client, script)


@pytest.mark.skipif(is_peer(), reason="another server has its own users")
@pytest.mark.parametrize("server", ["login"], indirect=True)
@pytest.mark.parametrize(("client", "script"), _cases(WITH_LOGIN))
def test_client_signed_in(client: str, script: str, run_script: RunScript) -> None:
    run_script(client, script)
