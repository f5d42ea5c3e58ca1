"""Values of the event log."""

from __future__ import annotations

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened.

    Attributes:
        time: when, in milliseconds since the epoch.
        workspace_id: where; 0 for the server as a whole.
        actor_id, actor: who did it.
        credential: by what the actor was recognized; never a secret.
        address: where the request came from; empty where that isn't known.
        action: what was done, such as `experiment.delete`.
        target_type, target: to what: `experiment` and its id.
        detail: what else is known; plain JSON values, no secrets.
    """

    time: int
    workspace_id: int
    actor_id: int
    actor: str
    credential: str
    address: str
    action: str
    target_type: str
    target: str
    detail: dict[str, Any] = {}
