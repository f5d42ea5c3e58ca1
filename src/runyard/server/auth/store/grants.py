"""SQL of the rules of folders and experiments."""

from __future__ import annotations

from sqlalchemy import bindparam

from runyard.server.auth import tables as t
from runyard.server.auth.types import Level
from runyard.server.db import Query, Transaction


def _upsert(d: object) -> object:
    insert = d.insert(t.experiment_rule).values(  # type: ignore[attr-defined]
        {c.name: bindparam(c.name) for c in t.experiment_rule.c}
    )
    return insert.on_conflict_do_update(
        index_elements=list(t.experiment_rule.primary_key.columns), set_={"level": insert.excluded.level}
    )


_set_experiment = Query(_upsert)  # type: ignore[arg-type]


def set_experiment_rule(
    tx: Transaction, workspace_id: int, principal_id: int, experiment_id: int, level: Level
) -> None:
    """Set what a principal may do in one experiment."""
    tx.execute(
        _set_experiment,
        workspace_id=workspace_id,
        principal_id=principal_id,
        experiment_id=experiment_id,
        level=int(level),
    )
