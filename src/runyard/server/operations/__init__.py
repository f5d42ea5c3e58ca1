"""What runs and watches a server: its health, its counters, its description of itself."""

from runyard.server.operations.endpoints import Limits, OperationEndpoints

__all__ = ["Limits", "OperationEndpoints"]
