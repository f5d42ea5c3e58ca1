"""Signing in through the browser: opened here, or on another machine and brought back by hand."""

from __future__ import annotations

import os
import sys
import webbrowser
from typing import TYPE_CHECKING, Any

from runyard.cli import asking
from runyard.client.http import Http
from runyard.client.loopback import Loopback
from runyard.client.sign_in import Attempt

if TYPE_CHECKING:
    from runyard.cli.output import Output

# Somebody may have to find their phone.
WAIT_SECONDS = 600.0


def sign_in(url: str, out: Output, *, name: str, days: int | None, here: bool) -> dict[str, Any]:
    """Let somebody sign in at the server and let this machine in; returns the token, as the server told it.

    Args:
        url: the server.
        out: where it is told what to do.
        name: what the token is called.
        days: until it expires; None for the server's choice.
        here: whether the browser is on this machine.

    Raises:
        ClientError: it was denied, took too long, or the server refused.
    """
    attempt = Attempt()
    with Http(url) as http:
        if not here or not has_browser():
            return attempt.exchange(http, _carried(attempt.address(url, name, days=days), out))
        with Loopback(attempt.state) as loopback:
            address = attempt.address(url, name, days=days, port=loopback.port)
            out.note(f"Let this machine in at {url}, in your browser. If none opens, open this address here:")
            out.note(f"  {address}")
            webbrowser.open(address)
            return attempt.exchange(http, loopback.wait(WAIT_SECONDS))


def has_browser() -> bool:
    """Whether one that somebody looks at could be opened: not over ssh, nor in a terminal."""
    if not os.environ.get("BROWSER"):
        if sys.platform in ("darwin", "win32"):
            there = "SSH_CONNECTION" not in os.environ
        else:
            there = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        if not there:
            return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def _carried(address: str, out: Output) -> str:
    out.note("Open this address in a browser on any machine; it shows a code, which belongs here:")
    out.note(f"  {address}")
    if sys.stdin.isatty():
        return asking.text("Code", instead="--browser").strip()
    return asking.line_of_input("code").strip()
