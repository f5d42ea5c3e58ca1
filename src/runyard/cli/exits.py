"""How a command ends: its exit code, and the one line that says why."""

from __future__ import annotations

import click

from runyard.cli.texts import safe
from runyard.client import errors as e

REFUSED = 1
"""The server refused, or what was asked for failed."""
USAGE = 2
"""The command line, a variable or a kept file is wrong."""
NOT_SIGNED_IN = 3
NOT_FOUND = 4
UNREACHABLE = 5
INTERRUPTED = 130

MEANINGS = {
    0: "done",
    REFUSED: "the server refused it, or it failed",
    USAGE: "the command line, an environment variable or a kept file is wrong",
    NOT_SIGNED_IN: "not signed in, or the token isn't valid any more",
    NOT_FOUND: "not found, or not visible to you",
    UNREACHABLE: "no server answers, or it can't answer now",
    INTERRUPTED: "interrupted by Ctrl+C",
}

_CODES: tuple[tuple[type[e.ClientError], int], ...] = (
    (e.NotSignedIn, NOT_SIGNED_IN),
    (e.NotApproved, NOT_SIGNED_IN),
    (e.NotFound, NOT_FOUND),
    (e.Unavailable, UNREACHABLE),
    (e.Unreachable, UNREACHABLE),
    (e.NotRunyard, UNREACHABLE),
    (e.ConfigurationError, USAGE),
)


def code_of(error: e.ClientError) -> int:
    """The exit code of an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), REFUSED)


def told(error: e.ClientError, url: str | None = None) -> str:
    """An error as a person reads it, with what to do where the message doesn't say it.

    Args:
        error: what went wrong.
        url: the server that the command spoke to, where one could have signed in before.
    """
    text = "\n".join(safe(line) for line in error.message.split("\n"))
    if isinstance(error, e.Refused) and error.status >= 500 and error.request_id:
        if error.request_id not in text:
            text += f" (request {safe(error.request_id)})"
    elif isinstance(error, e.NotSignedIn) and url is not None:
        text += f"\nTo sign in: runyard login {safe(url)}"
    elif isinstance(error, e.Unreachable) and "127.0.0.1:5000" in text:
        text += (
            "\nStart a server with `runyard server`, or name one: --url, RUNYARD_URL or `runyard login URL`."
        )
    return text


class Missing(click.ClickException):
    """What was asked for isn't in what the server told."""

    exit_code = NOT_FOUND
