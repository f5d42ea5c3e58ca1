"""Appending to the log, in the transaction of what happened: neither exists without the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import bindparam

from runyard.server.db import Query, Transaction
from runyard.server.events.tables import event as e
from runyard.server.events.types import MAX_TARGET, Event

_WRITTEN = (
    "time",
    "workspace_id",
    "actor_id",
    "actor",
    "credential",
    "address",
    "action",
    "target_type",
    "target",
    "detail",
)
_append = Query(lambda d: d.insert(e).values({name: bindparam(name) for name in _WRITTEN}))
_encode = msgspec.json.Encoder(order="sorted").encode


def append(tx: Transaction, events: Sequence[Event]) -> None:
    """Note what the transaction does; it becomes visible with it."""
    tx.execute_many(_append, [_row(event) for event in events])


def _row(event: Event) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(event, name) for name in _WRITTEN}
    detail = event.detail
    if len(event.target) > MAX_TARGET:
        row["target"], detail = event.target[:MAX_TARGET], {**detail, "target": event.target}
    row["detail"] = _encode(detail).decode()
    return row
