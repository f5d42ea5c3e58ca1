"""The server that a command speaks to; nothing of it is loaded before it is needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runyard.client.http import Http
    from runyard.client.settings import Settings

DEFAULT_WORKSPACE = "default"


class Session:
    """What the options, the environment and `runyard login` say about the server.

    Args:
        url: what `--url` gave.
        workspace: what `--workspace` gave.
    """

    def __init__(self, url: str | None, workspace: str | None) -> None:
        self._url = url
        self._workspace = workspace

    @cached_property
    def settings(self) -> Settings:
        """The server and the workspace.

        Raises:
            ConfigurationError: an address or a kept file is wrong.
        """
        from runyard.client import settings

        return settings.load(url=self._url, workspace=self._workspace)

    @cached_property
    def http(self) -> Http:
        """Requests to the server.

        Raises:
            ConfigurationError: an address or a kept file is wrong.
        """
        from runyard.client.http import Http

        return Http(self.settings.url, self.settings.workspace, self.settings.credential())

    @property
    def workspace(self) -> str:
        """The name of the workspace in use."""
        return self.settings.workspace or DEFAULT_WORKSPACE

    def close(self) -> None:
        """Close the connections, if there are any."""
        if "http" in self.__dict__:
            self.http.close()
