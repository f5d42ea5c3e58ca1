"""ENGINE: the event log, appended in the caller's transaction and sealed into a chain of hashes."""

from runyard.server.events.log import append
from runyard.server.events.reading import find
from runyard.server.events.sealing import Sealer, State, seal, state
from runyard.server.events.types import (
    ORIGIN,
    Break,
    Event,
    Filter,
    Head,
    Position,
    StoredEvent,
    Verification,
    parse_head,
)
from runyard.server.events.verification import verify, verify_slice

__all__ = [
    "ORIGIN",
    "Break",
    "Event",
    "Filter",
    "Head",
    "Position",
    "Sealer",
    "State",
    "StoredEvent",
    "Verification",
    "append",
    "find",
    "parse_head",
    "seal",
    "state",
    "verify",
    "verify_slice",
]
