"""Which server, which workspace, which credential: the one reader of a client's environment.

The server is the one that is named (`--url`), else `RUNYARD_URL`, else the one of the last `runyard login`,
else `MLFLOW_TRACKING_URI` where that is an http address, else the one on this machine. The workspace is the
one that is named, else that of a named address, else `RUNYARD_WORKSPACE`, else that of the address, else the
one that was chosen by `runyard workspace use`, else `MLFLOW_WORKSPACE`; without any, the server's choice:
that of a token for one workspace, else its default.

The credential is `RUNYARD_TOKEN`, else what `runyard login` kept for this server. Where the server is the one
of `MLFLOW_TRACKING_URI`, what MLflow's client would send comes last: the address's user information,
`MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`. So inside a job, and
wherever MLflow is set up, nothing else has to be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runyard.client import address, credentials, folder, logins
from runyard.client.address import Address
from runyard.client.credentials import Credential
from runyard.client.errors import ConfigurationError
from runyard.client.logins import Login

URL, TOKEN, WORKSPACE = "RUNYARD_URL", "RUNYARD_TOKEN", "RUNYARD_WORKSPACE"
MLFLOW_URL = "MLFLOW_TRACKING_URI"
MLFLOW_WORKSPACE = "MLFLOW_WORKSPACE"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client needs to know.

    Attributes:
        url: the server's address.
        named_by: where the address came from, for people.
        workspace: the workspace's name; None for the server's default.
        home: the folder of the user's settings.
        login: what is kept about this server; None where nothing is.
    """

    url: str
    named_by: str
    workspace: str | None
    home: Path
    login: Login | None
    _variables: Mapping[str, str]

    def credential(self) -> Credential | None:
        """What to send; None where there is nothing.

        It is looked for only when it is needed: a keyring may ask its owner.

        Raises:
            ConfigurationError: it can't be read, or is none.
        """
        found = self._given() or self._kept() or self._of_mlflow()
        if found is not None:
            found.check()
        return found

    def _given(self) -> Credential | None:
        token = self._variables.get(TOKEN, "").strip()
        return Credential(token, source=TOKEN) if token else None

    def _kept(self) -> Credential | None:
        if self.login is None or self.login.kept is None:
            return None
        token = credentials.store_of(self.login.kept, self.home).get(self.url)
        if token is None:
            return None
        where = "the keyring" if self.login.kept == "keyring" else str(self.home / credentials.FILE)
        return Credential(token, source=where)

    def _of_mlflow(self) -> Credential | None:
        tracking = _of_mlflow(self._variables)
        if tracking is None or tracking.url != self.url:
            return None
        if tracking.user or tracking.password:
            # A token may stand in either place.
            if tracking.user and tracking.password:
                return Credential(tracking.password, tracking.user, MLFLOW_URL)
            return Credential(tracking.user or tracking.password, source=MLFLOW_URL)
        user = self._variables.get("MLFLOW_TRACKING_USERNAME", "")
        password = self._variables.get("MLFLOW_TRACKING_PASSWORD", "")
        if user and password:
            return Credential(password, user, "MLFLOW_TRACKING_USERNAME")
        token = self._variables.get("MLFLOW_TRACKING_TOKEN", "").strip()
        return Credential(token, source="MLFLOW_TRACKING_TOKEN") if token else None


def load(
    *, url: str | None = None, workspace: str | None = None, environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings in force.

    Args:
        url: the server that was named.
        workspace: the workspace that was named.
        environment: the variables to read; the process's own by default.

    Raises:
        ConfigurationError: an address is wrong, two workspaces are named, or a kept file can't be read.
    """
    variables = os.environ if environment is None else environment
    home = folder.path(variables)
    kept = logins.load(home)
    found, named_by = _server(url, variables, kept.current)
    login = kept.servers.get(found.url)
    if url and workspace and found.workspace not in (None, workspace):
        raise ConfigurationError(
            f"Two workspaces are named: '{found.workspace}' by the address, and '{workspace}'."
        )
    chosen = (
        workspace
        or (found.workspace if url else None)
        or variables.get(WORKSPACE)
        or found.workspace
        or (login.workspace if login is not None else None)
        or (variables.get(MLFLOW_WORKSPACE) if named_by == MLFLOW_URL else None)
        or None
    )
    return Settings(found.url, named_by, chosen, home, login, variables)


def overrides(environment: Mapping[str, str] | None = None) -> list[str]:
    """The variables that are set and come before what `runyard login` keeps."""
    variables = os.environ if environment is None else environment
    return [name for name in (URL, TOKEN, WORKSPACE) if variables.get(name)]


def _server(url: str | None, variables: Mapping[str, str], current: str) -> tuple[Address, str]:
    if url:
        return _without_secret(address.parse(url), "The address"), "--url"
    if variables.get(URL):
        return _without_secret(address.parse(variables[URL], named=URL), URL), URL
    if current:
        return address.parse(current, named="The address in config.json"), "runyard login"
    found = _of_mlflow(variables)
    if found is not None:
        return found, MLFLOW_URL
    return Address(address.DEFAULT_URL), "the default"


def _of_mlflow(variables: Mapping[str, str]) -> Address | None:
    """The server that MLflow's client is set to; it may be set to a folder or a database as well."""
    text = variables.get(MLFLOW_URL, "")
    if not text.lower().startswith(("http://", "https://", "runyard://", "runyard+http://")):
        return None
    return address.parse(text, named=MLFLOW_URL)


def _without_secret(found: Address, named: str) -> Address:
    if found.user or found.password:
        raise ConfigurationError(
            f"{named} holds a name or a password, which others can see. Sign in by `runyard login`, or give "
            f"a token by {TOKEN}."
        )
    return found
