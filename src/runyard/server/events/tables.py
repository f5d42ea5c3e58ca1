"""The table of events.

Triggers (migration 0004) refuse to delete an event and to change a sealed one. They keep mistakes out, not
whoever may drop them: for those there is the chain of hashes.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table

from runyard.server.db import BigId, PlainText, metadata

event = Table(
    "event",
    metadata,
    Column("id", BigId, primary_key=True),
    # Milliseconds since the epoch.
    Column("time", BigInteger, nullable=False),
    # 0 for what is about the server as a whole.
    Column("workspace_id", BigInteger, nullable=False),
    Column("actor_id", BigInteger, nullable=False),
    Column("actor", PlainText, nullable=False),
    Column("credential", PlainText, nullable=False),
    Column("address", PlainText, nullable=False),
    Column("action", PlainText, nullable=False),
    Column("target_type", PlainText, nullable=False),
    Column("target", PlainText, nullable=False),
    # A JSON object of what else is known.
    Column("detail", PlainText, nullable=False),
    # Its place in the chain, and the hash that holds all before it; NULL until it is sealed.
    Column("sequence", BigInteger, unique=True),
    Column("hash", LargeBinary),
    Index("ix_event_time_id", "time", "id"),
    Index("ix_event_workspace_id_time_id", "workspace_id", "time", "id"),
    Index("ix_event_actor_time_id", "actor", "time", "id"),
    Index("ix_event_target_time_id", "target", "time", "id"),
)
