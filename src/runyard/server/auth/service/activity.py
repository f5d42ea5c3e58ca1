"""Noting who did what, in the transaction of the change."""

from __future__ import annotations

from typing import Any

from runyard.server import events
from runyard.server.auth.types import Principal
from runyard.server.db import Transaction
from runyard.server.kernel import clock


def note(
    tx: Transaction,
    principal: Principal,
    action: str,
    target_type: str,
    target: object,
    *,
    workspace_id: int | None = None,
    **detail: Any,
) -> None:
    """Append an event to the log of the principal's workspace, or of another one; 0 is the server's.

    Args:
        tx: the change's transaction.
        principal: who does it.
        action: what, such as `experiment.delete`.
        target_type: to what kind of thing.
        target: to which.
        workspace_id: where, if not in the principal's workspace.
        detail: what else is known; plain JSON values, no secrets.
    """
    events.append(
        tx,
        [
            events.Event(
                time=clock.now_ms(),
                workspace_id=principal.workspace.id if workspace_id is None else workspace_id,
                actor_id=principal.identity.id,
                actor=principal.identity.name,
                credential=principal.credential,
                address=principal.address,
                action=action,
                target_type=target_type,
                target=str(target),
                detail=detail,
            )
        ],
    )
