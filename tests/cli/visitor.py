"""Somebody with a browser, for whom `runyard login` waits: by plain requests, as a browser sends them."""

from __future__ import annotations

import re
from html import unescape
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import httpx

from tests.cli.team import PASSWORD


class Visitor:
    """One browser, in which somebody signs in.

    Args:
        url: the server.
    """

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, headers={"Origin": url}, trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def sign_in(self, name: str) -> None:
        """Begin a session."""
        reply = self._http.post("/login", data={"name": name, "password": PASSWORD, "next": "/"})
        assert reply.status_code == 303, reply.text

    def answer(self, address: str, answer: str = "approve") -> httpx.Response:
        """Open the page at an address and press a button; returns what comes of it."""
        page = self._http.get(address)
        assert page.status_code == 200, page.text
        found = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text)
        fields = {name: unescape(value) for name, value in found}
        return self._http.post("/cli", data={**fields, "answer": answer})

    def follow(self, reply: httpx.Response) -> httpx.Response:
        """Go where an answer leads, which is this machine."""
        to = reply.headers["location"]
        assert urlsplit(to).hostname == "127.0.0.1"
        return httpx.get(to, trust_env=False)


def address_in(shown: str) -> str:
    """The address that the command shows."""
    found = re.search(r"http\S+/cli\?\S+", shown)
    assert found is not None, shown
    return found[0]


def code_in(reply: httpx.Response) -> str:
    """The code that a page shows."""
    found = re.search(r"ryc_[\w-]{43}", reply.text)
    assert found is not None, reply.text
    return found[0]
