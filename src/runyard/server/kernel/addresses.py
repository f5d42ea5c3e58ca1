"""Addresses of hosts, networks and web sites, as text. Nothing here resolves a name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

_PORTS = {"http": ":80", "https": ":443"}


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_network(text: str) -> bool:
    """Whether a text is an IP address or a network, such as `10.1.0.0/16`."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def is_site(url: str) -> bool:
    """Whether an address is http:// or https://, a host, perhaps a port, and nothing else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    rest = parts.path.rstrip("/") or parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in _PORTS and bool(parts.hostname) and not rest and port != 0


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what is sent to an address of the web."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def origin_of(url: str) -> str:
    """What a browser sends as `Origin` from a page of a site."""
    parts = urlsplit(url.lower())
    return f"{parts.scheme}://{parts.netloc.removesuffix(_PORTS.get(parts.scheme, ':'))}"


def neighbourhood(address: str) -> str:
    """An address as far as one visitor has it alone: of IPv6 the first 64 bits, which each visitor gets."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
