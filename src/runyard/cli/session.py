"""The server that a command speaks to; nothing of it is loaded before it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runyard.client.http import Http
    from runyard.client.settings import Settings

DEFAULT_WORKSPACE = "default"
# Where a command's context keeps it.
SESSION = "runyard.session"


class Session:
    """What the options, the environment and `runyard login` say about the server.

    Args:
        url: what `--url` gave.
        workspace: what `--workspace` gave.
        environment: the variables to read; the process's own by default.
    """

    def __init__(
        self, url: str | None, workspace: str | None, environment: Mapping[str, str] | None = None
    ) -> None:
        self._url = url
        self._workspace = workspace
        self._environment = environment

    def apart_from_mlflow(self) -> Session:
        """The same, without the server and the credential that MLflow's client is set to."""
        left = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        return Session(self._url, self._workspace, left)

    @cached_property
    def settings(self) -> Settings:
        """The server and the workspace.

        Raises:
            ConfigurationError: an address or a kept file is wrong.
        """
        from runyard.client import settings

        return settings.load(url=self._url, workspace=self._workspace, environment=self._environment)

    @cached_property
    def http(self) -> Http:
        """Requests to the server.

        Raises:
            ConfigurationError: an address or a kept file is wrong.
        """
        from runyard.client.http import Http

        return Http(self.settings.url, self.settings.workspace, self.settings.credential())

    @cached_property
    def workspace(self) -> str:
        """The name of the workspace in use, for what needs it; where none is chosen, the credential may lead
        to one, which the server is asked for.

        Raises:
            ClientError: see `runyard.client.errors`.
        """
        from runyard.client import identity

        if self.settings.workspace is not None:
            return self.settings.workspace
        if self.settings.credential() is None:
            return DEFAULT_WORKSPACE
        found: str | None = identity.whoami(self.http)["workspace"]
        return found or DEFAULT_WORKSPACE

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "http" in self.__dict__:
            self.http.close()
