"""Addresses: one canonical form, the workspace apart, nothing secret in messages."""

from __future__ import annotations

import pytest

from runyard.client import address
from runyard.client.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "url", "workspace"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000", None),
        ("http://127.0.0.1:5000/", "http://127.0.0.1:5000", None),
        (" HTTPS://ML.Example.org:443/ ", "https://ml.example.org", None),
        ("http://ml.example.org:80", "http://ml.example.org", None),
        ("https://example.org/ml/", "https://example.org/ml", None),
        ("https://example.org/ml/w/vision/", "https://example.org/ml", "vision"),
        ("https://example.org/w/a%20b", "https://example.org", "a b"),
        ("http://[::1]:5000/w/x", "http://[::1]:5000", "x"),
        ("runyard://localhost:5000", "http://localhost:5000", None),
        ("runyard://ml.example.org/w/x", "https://ml.example.org", "x"),
        ("runyard+http://ml.example.org", "http://ml.example.org", None),
    ],
)
def test_an_address_has_one_form(text: str, url: str, workspace: str | None) -> None:
    found = address.parse(text)
    assert (found.url, found.workspace) == (url, workspace)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ml.example.org",
        "localhost:5000",
        "ftp://ml.example.org",
        "http://",
        "http://host:port",
        "http://host:99999",
        "https://example.org/w/a/b",
        "https://example.org/?x=1",
        "https://example.org/#/experiments",
        "http://exa mple.org",
        "http://[::1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="RUNYARD_URL"):
        address.parse(text, named="RUNYARD_URL")


def test_user_information_is_apart_and_never_shown() -> None:
    found = address.parse("http://alice:s%3Acret@example.org/w/x")
    assert (found.url, found.user, found.password) == ("http://example.org", "alice", "s:cret")
    assert "cret" not in repr(found)


def test_a_wrong_address_is_not_repeated_since_it_may_hold_a_password() -> None:
    with pytest.raises(ConfigurationError) as failed:
        address.parse("htp://alice:secret@example.org")
    assert "secret" not in str(failed.value)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("a.localhost", True), ("127.1.2.3", True), ("::1", True), ("[::1]", True),
     ("example.org", False), ("10.0.0.1", False), ("localhost.example.org", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert address.is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("text", "segment"),
    [("a/b", "a%2Fb"), ("a b", "a%20b"), ("..", "%2E%2E"), (".", "%2E"), ("a.b", "a.b"), ("?", "%3F")],
)
def test_a_name_is_one_segment_whatever_is_in_it(text: str, segment: str) -> None:
    assert address.segment(text) == segment
