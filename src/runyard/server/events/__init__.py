"""ENGINE: the event log, appended in the caller's transaction."""

from runyard.server.events.log import append
from runyard.server.events.types import Event

__all__ = ["Event", "append"]
