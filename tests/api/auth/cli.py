"""A program that signs in through the browser, as `runyard login` does."""

from __future__ import annotations

import base64
import hashlib
import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

from tests.api.auth.browser import Browser
from tests.api.auth.team import NATIVE
from tests.api.conftest import Api, Reply

VERIFIER, STATE, PORT = "v" * 43, "s" * 22, 40_123
EXCHANGE = f"{NATIVE}/tokens/exchange"


def asking(verifier: str = VERIFIER, **more: Any) -> dict[str, str]:
    """What the page's address holds; None leaves something out."""
    digest = hashlib.sha256(verifier.encode()).digest()
    given = {
        "challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "state": STATE,
        "name": "runyard on laptop",
        "days": 30,
        "port": PORT,
        **more,
    }
    return {name: str(value) for name, value in given.items() if value is not None}


def address(**more: Any) -> str:
    """The page's address."""
    return f"/cli?{urlencode(asking(**more))}"


def approve(browser: Browser, answer: str = "approve", **more: Any) -> Reply:
    """Open the page and press one of its buttons."""
    shown = browser.get(address(**more))
    assert shown.status == 200, shown.content
    fields = re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown.content.decode())
    return browser.submit("/cli", {**{name: unescape(value) for name, value in fields}, "answer": answer})


def code_of(reply: Reply) -> str:
    """The code that an approval gave."""
    text = reply.headers.get("location", "") + reply.content.decode()
    found = re.search(r"ryc_[\w-]{43}", text)
    assert found is not None, text
    return found[0]


def exchange(api: Api, code: str, verifier: str = VERIFIER) -> Reply:
    """Change a code for a token."""
    return api.post(EXCHANGE, {"code": code, "verifier": verifier})
