"""Who calls and what they may do."""

from runyard.server.auth.service import require
from runyard.server.auth.types import LOCAL, Permission, Principal

__all__ = ["LOCAL", "Permission", "Principal", "require"]
