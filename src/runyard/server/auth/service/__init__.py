"""Use cases of identity, one module per noun."""

from runyard.server.auth.service.activity import note
from runyard.server.auth.service.grants import grant_experiment
from runyard.server.auth.service.policy import require, require_anywhere, sees

__all__ = ["grant_experiment", "note", "require", "require_anywhere", "sees"]
