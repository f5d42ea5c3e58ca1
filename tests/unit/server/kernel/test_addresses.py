from __future__ import annotations

import pytest

from runyard.server.kernel.addresses import (
    is_loopback,
    is_network,
    is_private,
    is_site,
    neighbourhood,
    origin_of,
)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.1.2.3", "localhost", "LOCALHOST", "localhost.", "a.localhost", "::1", "[::1]"]
)
def test_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.0.1", "example.org", "localhost.example.org", "127.0.0.1.example.org", ""],
)
def test_other_machines_too(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("10.0.0.7", True),
        ("10.1.0.0/16", True),
        ("fd00::/8", True),
        ("::1", True),
        ("*", False),
        ("10.1.0.1/16", False),
        ("proxy.example.org", False),
        ("", False),
    ],
)
def test_networks(text: str, is_one: bool) -> None:
    assert is_network(text) is is_one


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://ml.example.org", True),
        ("https://ml.example.org/", True),
        ("http://ml.example.org:8080", True),
        ("http://[::1]:5000", True),
        ("https://ml.example.org/runyard", False),
        ("https://ml.example.org?a=b", False),
        ("https://ml.example.org#a", False),
        ("https://me:pw@ml.example.org", False),
        ("https://ml.example.org:99999", False),
        ("https://[::1", False),
        ("https://", False),
        ("ftp://ml.example.org", False),
        ("ml.example.org", False),
    ],
)
def test_sites(url: str, is_one: bool) -> None:
    assert is_site(url) is is_one


@pytest.mark.parametrize(
    ("url", "is_one"),
    [
        ("https://login.example.org/realms/a", True),
        ("http://127.0.0.1:3000", True),
        ("http://localhost:3000", True),
        ("http://login.example.org", False),
        ("http://localhost.example.org", False),
        ("https://", False),
        ("https://[::1", False),
        ("login.example.org", False),
    ],
)
def test_nobody_reads_along(url: str, is_one: bool) -> None:
    assert is_private(url) is is_one


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ML.example.org/", "https://ml.example.org"),
        ("https://ml.example.org:443", "https://ml.example.org"),
        ("http://ml.example.org:80/", "http://ml.example.org"),
        ("http://ml.example.org:443", "http://ml.example.org:443"),
        ("http://[::1]:5000", "http://[::1]:5000"),
    ],
)
def test_origins(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("x" * 1000, "x" * 64),
    ],
)
def test_neighbourhoods(address: str, place: str) -> None:
    assert neighbourhood(address) == place
