"""Use cases of identity, one module per noun."""

from runyard.server.auth.service.activity import note
from runyard.server.auth.service.entry import entered_by, make_owner
from runyard.server.auth.service.forget import forget_experiments, forget_runs, forget_workspace
from runyard.server.auth.service.grants import grant_experiment, immovable, move_rules
from runyard.server.auth.service.policy import require, require_anywhere, require_to_leave, sees
from runyard.server.auth.service.tokens import end_of_experiment, end_of_run, end_of_runs

__all__ = [
    "end_of_experiment",
    "end_of_run",
    "end_of_runs",
    "entered_by",
    "forget_experiments",
    "forget_runs",
    "forget_workspace",
    "grant_experiment",
    "immovable",
    "make_owner",
    "move_rules",
    "note",
    "require",
    "require_anywhere",
    "require_to_leave",
    "sees",
]
