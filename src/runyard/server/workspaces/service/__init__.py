"""Use cases of workspaces."""

from runyard.server.workspaces.service.workspaces import Workspaces
from runyard.server.workspaces.store import find_names, find_ref

__all__ = ["Workspaces", "find_names", "find_ref"]
