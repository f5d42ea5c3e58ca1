"""Quotas as answers show them: of a workspace, an experiment or a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from runyard.server.workspaces.rules import QUOTAS
from runyard.server.workspaces.types import QuotaUse, Scope

_SCOPES: dict[Scope, Literal["workspace", "experiment", "run"]] = {
    Scope.WORKSPACE: "workspace",
    Scope.EXPERIMENT: "experiment",
    Scope.RUN: "run",
}


class QuotaItem(msgspec.Struct):
    """A quota.

    Attributes:
        name: in `limits`.
        scope: what each one of may have so much.
        unit: what it counts.
        limit: null for none.
        used: null for what the thing shown has none of its own of, and where it would tell of what the caller
            may not see.
        counts: what counts, in words.
    """

    name: str
    scope: Literal["workspace", "experiment", "run"]
    unit: str
    limit: int | None
    used: int | None
    counts: str


class QuotaList(msgspec.Struct):
    """All quotas of a workspace, an experiment or a run."""

    items: list[QuotaItem]
    next_page_token: str | None = None


def quota_items(found: Iterable[QuotaUse]) -> list[QuotaItem]:
    """Quotas as they stand."""
    return [_item(one) for one in found]


def _item(found: QuotaUse) -> QuotaItem:
    quota = QUOTAS[found.name]
    return QuotaItem(found.name, _SCOPES[quota.scope], quota.unit, found.limit, found.used, quota.counts)
