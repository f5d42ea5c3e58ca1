"""Use cases of workspaces, their quotas and what is used of them, and of the trash."""

from runyard.server.workspaces.service.contents import Contents
from runyard.server.workspaces.service.deleted import DeletedWorkspaces
from runyard.server.workspaces.service.directory import Directory
from runyard.server.workspaces.service.identities import identity_kinds
from runyard.server.workspaces.service.kinds import (
    Filter,
    GoOn,
    Item,
    KindName,
    Left,
    TrashEntry,
    TrashKind,
    TrashPosition,
    TrashSize,
)
from runyard.server.workspaces.service.purger import DAY_MS, Purger
from runyard.server.workspaces.service.recount import Recount
from runyard.server.workspaces.service.room import Room
from runyard.server.workspaces.service.tally import Tally
from runyard.server.workspaces.service.trash import Trash
from runyard.server.workspaces.service.trash_contents import TrashContents
from runyard.server.workspaces.service.upload import Home, Upload
from runyard.server.workspaces.service.usage import Usage
from runyard.server.workspaces.service.workspaces import Workspaces
from runyard.server.workspaces.store.trash import default_experiments
from runyard.server.workspaces.store.workspaces import all_names, find_names

__all__ = [
    "DAY_MS",
    "Contents",
    "DeletedWorkspaces",
    "Directory",
    "Filter",
    "GoOn",
    "Home",
    "Item",
    "KindName",
    "Left",
    "Purger",
    "Recount",
    "Room",
    "Tally",
    "Trash",
    "TrashContents",
    "TrashEntry",
    "TrashKind",
    "TrashPosition",
    "TrashSize",
    "Upload",
    "Usage",
    "Workspaces",
    "all_names",
    "default_experiments",
    "find_names",
    "identity_kinds",
]
