"""SQL that forgets what rules and credentials say of things that are gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete

from runyard.server.auth import tables as t
from runyard.server.db import Query, Transaction, in_list

_tokens = Query(delete(t.token).where(in_list(t.token.c.run_uuid, "runs")))
_rules = Query(delete(t.experiment_rule).where(in_list(t.experiment_rule.c.experiment_id, "experiments")))
_of_workspace = tuple(
    Query(delete(table).where(table.c.workspace_id == bindparam("workspace")))
    for table in (t.token, t.role_assignment, t.folder_rule, t.experiment_rule)
)


def delete_tokens_of_runs(tx: Transaction, runs: Sequence[str]) -> None:
    """Delete the tokens that are for these runs."""
    tx.execute(_tokens, runs=list(runs))


def delete_rules_of_experiments(tx: Transaction, experiments: Sequence[int]) -> None:
    """Delete the rules of these experiments."""
    tx.execute(_rules, experiments=list(experiments))


def delete_of_workspace(tx: Transaction, workspace: int) -> None:
    """Delete the roles, rules and tokens of a workspace."""
    for query in _of_workspace:
        tx.execute(query, workspace=workspace)
