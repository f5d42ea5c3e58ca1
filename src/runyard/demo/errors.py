"""What goes wrong with the demo and is not the demo's fault."""

from __future__ import annotations


class DemoError(Exception):
    """The demo can't go on; the message says why and what to do."""
