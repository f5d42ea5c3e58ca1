"""Use cases of workspaces, their quotas and what is used of them."""

from runyard.server.workspaces.service.contents import Contents
from runyard.server.workspaces.service.directory import Directory
from runyard.server.workspaces.service.recount import Recount
from runyard.server.workspaces.service.room import Room
from runyard.server.workspaces.service.tally import Tally
from runyard.server.workspaces.service.upload import Home, Upload
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.service.workspaces import Workspaces
from runyard.server.workspaces.store.workspaces import all_names, find_names

__all__ = [
    "Contents",
    "Directory",
    "Home",
    "Recount",
    "Room",
    "Tally",
    "Upload",
    "Usage",
    "Workspaces",
    "all_names",
    "find_names",
]
