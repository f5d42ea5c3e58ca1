"""What rules and credentials say of things that are destroyed goes with them."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.auth.store import forget as store
from runyard.server.db import Transaction


def forget_runs(tx: Transaction, runs: Sequence[str]) -> None:
    """Delete the tokens of runs."""
    store.delete_tokens_of_runs(tx, runs)


def forget_experiments(tx: Transaction, experiments: Sequence[int]) -> None:
    """Delete the rules of experiments."""
    store.delete_rules_of_experiments(tx, experiments)


def forget_workspace(tx: Transaction, workspace: int) -> None:
    """Delete the roles, rules and tokens of a workspace."""
    store.delete_of_workspace(tx, workspace)
