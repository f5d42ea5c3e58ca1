"""A browser without script: it keeps cookies, follows no redirect by itself, and says where it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urlencode

from tests.api.auth.people import PASSWORD
from tests.api.conftest import Api, Reply

HOST = "127.0.0.1"
SESSION = "runyard_session"


class Browser:
    """One visitor.

    Args:
        api: the server.
        host: the name under which it reaches the server.
    """

    def __init__(self, api: Api, host: str = HOST) -> None:
        self.api = api
        self._host = host
        self.cookies: dict[str, str] = {}

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Type an address, or follow a link of this site."""
        return self._send(
            "GET", path, None, {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, headers
        )

    def submit(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Reply:
        """Send a form of this site."""
        sent = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"http://{self._host}",
            "Sec-Fetch-Site": "same-origin",
            "Sec-Fetch-Mode": "navigate",
        }
        return self._send("POST", path, urlencode(fields).encode(), sent, headers)

    def sign_in(self, name: str = "ann", password: str = PASSWORD, *, goal: str = "/") -> Reply:
        """Fill in the form of the page to sign in at."""
        return self.submit("/login", {"name": name, "password": password, "next": goal})

    def whoami(self) -> str | None:
        """Who is signed in, as the start page says."""
        reply = self.get("/")
        found = re.search(r"signed in as <strong>(.*?)</strong>", reply.content.decode())
        return unescape(found[1]) if found else None

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | None,
        own: dict[str, str],
        more: Mapping[str, str] | None,
    ) -> Reply:
        sent = {"Host": self._host, **own, **(more or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        kept = {name: value for name, value in sent.items() if value}
        reply = self.api.request(method, path, content=content, headers=kept)
        for line in reply.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply


def problem(reply: Reply) -> str:
    """What a page says went wrong."""
    found = re.search(r'role="alert"[^>]*>(.*?)</p>', reply.content.decode(), re.DOTALL)
    assert found is not None, reply.content
    return unescape(found[1]).strip()
