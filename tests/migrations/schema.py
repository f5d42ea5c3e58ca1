"""The metadata with every table in it."""

from __future__ import annotations

from runyard.server.db import lease
from runyard.server.db.metadata import metadata
from runyard.server.metrics import tables as metrics
from runyard.server.tracking import tables as tracking

__all__ = ["lease", "metadata", "metrics", "tracking"]
