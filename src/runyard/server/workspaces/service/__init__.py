"""Use cases of workspaces."""

from runyard.server.workspaces.service.workspaces import Workspaces
from runyard.server.workspaces.store import all_names, find_names, find_ref

__all__ = ["Workspaces", "all_names", "find_names", "find_ref"]
