"""Rules of folders and experiments."""

from __future__ import annotations

from runyard.server.auth.store import grants as store
from runyard.server.auth.types import Level, Principal
from runyard.server.db import Transaction


def grant_experiment(tx: Transaction, principal: Principal, experiment_id: int, level: Level) -> None:
    """Give the principal who makes an experiment its rule there; the local principal needs none."""
    if principal.identity.id:
        store.set_experiment_rule(tx, principal.workspace.id, principal.identity.id, experiment_id, level)
