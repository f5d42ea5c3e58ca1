"""The metadata with every table in it."""

from __future__ import annotations

from runyard.server.auth import tables as auth
from runyard.server.db import lease
from runyard.server.db.metadata import metadata
from runyard.server.events import tables as events
from runyard.server.metrics import tables as metrics
from runyard.server.tracking import tables as tracking
from runyard.server.workspaces import tables as workspaces

__all__ = ["auth", "events", "lease", "metadata", "metrics", "tracking", "workspaces"]

auth.define_partial_indexes()
tracking.define_partial_indexes()
