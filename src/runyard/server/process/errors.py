"""Why a server doesn't start."""

from __future__ import annotations


class StartError(Exception):
    """The server can't start; the message says why and what to do, in one line, without secrets."""
