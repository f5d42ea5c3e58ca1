"""Searching runs."""

from __future__ import annotations

from collections.abc import Sequence

from runyard.server.auth import Principal
from runyard.server.db import Database
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import Page, Run, View


class RunSearch:
    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._keys = keys

    async def search(
        self,
        principal: Principal,
        *,
        experiment_ids: Sequence[int],
        filter_text: str,
        order_by: Sequence[str],
        view: View,
        limit: int,
        token: str | None,
    ) -> Page[Run]:
        raise RuntimeError
