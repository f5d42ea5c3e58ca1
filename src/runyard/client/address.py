"""Addresses of servers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, quote, unquote, urlsplit

from runyard.client.errors import ConfigurationError

DEFAULT_URL = "http://127.0.0.1:5000"

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is.

    Attributes:
        url: scheme, host, port and path in one canonical form, without a trailing slash; the key under which
            a login is kept.
        workspace: what the address named after `/w/`; None where it named none.
        user, password: the address's user information, empty where there is none.
    """

    url: str
    workspace: str | None = None
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def is_encrypted(self) -> bool:
        """Whether what is sent can't be read on the way."""
        return self.url.startswith("https://")


def parse(text: str, *, named: str = "The address") -> Address:
    """The address that a text means, such as `https://ml.example.org/w/team`.

    Args:
        text: what somebody wrote.
        named: where it came from, for the message: `--url`, `RUNYARD_URL`.

    Raises:
        ConfigurationError: it is no http or https address.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong(named) from None
    if not host or any(c.isspace() or c == "\\" for c in host):
        raise _wrong(named)
    scheme = _scheme(parts.scheme, host)
    if scheme is None:
        raise _wrong(named)
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{named} must end before its '?' or '#': give the server's own address.")
    path, workspace = _split_workspace(parts, named)
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        place += f":{port}"
    return Address(
        f"{scheme}://{place}{path}",
        workspace,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def segment(text: str) -> str:
    """A text as one segment of a path, whatever is in it."""
    # A path's segments `.` and `..` are walked, not named, unless their dots are escaped.
    return text.replace(".", "%2E") if text in (".", "..") else quote(text, safe="")


def _scheme(written: str, host: str) -> str | None:
    """The scheme of HTTP; `runyard` is what MLflow's plugin takes: encrypted, except on this machine."""
    if written == "runyard":
        return "http" if is_loopback(host) else "https"
    if written == "runyard+http":
        return "http"
    return written if written in _PORTS else None


def _split_workspace(parts: SplitResult, named: str) -> tuple[str, str | None]:
    path = parts.path.rstrip("/")
    before, found, name = path.rpartition("/w/")
    if not found:
        return path, None
    if "/" in name:
        raise ConfigurationError(f"{named} must end after the workspace's name: .../w/NAME.")
    return before, unquote(name)


def _wrong(named: str) -> ConfigurationError:
    # What was given isn't repeated: it may hold a password.
    return ConfigurationError(f"{named} must be like https://ml.example.org or {DEFAULT_URL}.")
