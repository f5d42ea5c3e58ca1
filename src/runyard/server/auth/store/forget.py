"""SQL that forgets what rules and credentials say of things that are gone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, delete

from runyard.server.auth import tables as t
from runyard.server.db import Query, Transaction, in_list

_tokens = Query(delete(t.token).where(in_list(t.token.c.run_uuid, "runs")))
# What is on its way out of the trash is found there or, once that is committed, behind it.
_rules = tuple(
    Query(delete(table).where(in_list(table.c.experiment_id, "experiments")))
    for table in (t.deleted_experiment_rule, t.experiment_rule)
)
_of_workspace = tuple(
    Query(delete(table).where(table.c.workspace_id == bindparam("workspace")))
    for table in (
        t.token,
        t.deleted_role_assignment,
        t.deleted_folder_rule,
        t.deleted_experiment_rule,
        t.role_assignment,
        t.folder_rule,
        t.experiment_rule,
    )
)


def delete_tokens_of_runs(tx: Transaction, runs: Sequence[str]) -> None:
    """Delete the tokens that are for these runs."""
    tx.execute(_tokens, runs=list(runs))


def delete_rules_of_experiments(tx: Transaction, experiments: Sequence[int]) -> None:
    """Delete the rules of these experiments."""
    for query in _rules:
        tx.execute(query, experiments=list(experiments))


def delete_of_workspace(tx: Transaction, workspace: int) -> None:
    """Delete the roles, rules and tokens of a workspace."""
    for query in _of_workspace:
        tx.execute(query, workspace=workspace)
