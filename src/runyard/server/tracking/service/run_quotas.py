"""The quotas of single runs. They are exact: what counts is read and written in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runyard.server.auth import Principal, WorkspaceRef
from runyard.server.db import Row, Transaction
from runyard.server.kernel.errors import LimitExceeded
from runyard.server.tracking.store import attributes, points
from runyard.server.tracking.store.runs import RunKey
from runyard.server.tracking.types import RunBatch
from runyard.server.workspaces.rules import MAX_LIMIT, used_up
from runyard.server.workspaces.service import Room
from runyard.server.workspaces.types import Quotas


class Entries(NamedTuple):
    """What a request stores beside points.

    Attributes:
        params: rows (run, key, experiment, value) of those that are new.
        tags: such rows of all.
        name: the run's new name; empty when it stays.
    """

    params: list[Row]
    tags: list[Row]
    name: str


class GroupRoom:
    """The room for a group of requests that log to runs.

    Points are the hot path: they are counted by one statement for the whole group, which refuses a run
    that would exceed its quota. What it refused is known as tight from then on, and read beforehand.

    Args:
        tx: the group's transaction.
        room: the quotas, and the sums of experiments and workspaces.
        runs: the runs, by their ids outside.
        items: what the requests bring.
    """

    def __init__(
        self, tx: Transaction, room: Room, runs: Mapping[str, RunKey], items: Sequence[RunBatch]
    ) -> None:
        self._tx = tx
        self._room = room
        self._tally = room.tally(tx)
        # Of each run how many points come, and in which workspace it is.
        self._points: dict[int, int] = {}
        self._homes: dict[int, tuple[WorkspaceRef, str]] = {}
        self._totals: dict[int, int] = {}
        self._params: dict[int, int] = {}
        self._tags: dict[int, int] = {}
        self._new_tags: dict[int, set[int]] = {}
        if room.tight:
            tight = [run.id for run in runs.values() if run.id in room.tight]
            self._totals = dict.fromkeys(tight, 0) | points.of_runs(tx, tight)
        with_entries = [item for item in items if item.params or item.tags]
        if with_entries:
            self._count_entries(runs, with_entries)

    def _count_entries(self, runs: Mapping[str, RunKey], items: Sequence[RunBatch]) -> None:
        with_params = {runs[item.run].id for item in items if item.params and item.run in runs}
        with_tags = {runs[item.run].id for item in items if item.tags and item.run in runs}
        attributes.lock_runs(self._tx, with_params | with_tags)
        self._params = attributes.count_params(self._tx, with_params)
        self._tags = attributes.count_tags(self._tx, with_tags)

    def take(
        self, workspace: WorkspaceRef, run: RunKey, item: RunBatch, entries: Entries
    ) -> LimitExceeded | None:
        """Take the room for a request that is going to be stored; returns why there is none."""
        quotas = self._room.quotas(workspace.id)
        refused: LimitExceeded | None = None
        if entries.params or entries.tags:
            refused = self._refuse_entries(workspace, quotas, run.id, item.run, entries)
        if refused is None and item.points is not None:
            refused = self._take_points(workspace, quotas, run, item.run, len(item.points.values))
        if refused is None and (entries.params or entries.tags):
            self._params[run.id] = self._params.get(run.id, 0) + len(entries.params)
            self._new_tags.setdefault(run.id, set()).update(row[1] for row in entries.tags)
        return refused

    def _take_points(
        self, workspace: WorkspaceRef, quotas: Quotas, run: RunKey, name: str, more: int
    ) -> LimitExceeded | None:
        limit, come = quotas.points_per_run, self._points.get(run.id, 0)
        if limit is not None and (come + more > limit or run.id in self._totals):
            used = self._total(run.id) + come
            if used + more > limit:
                return used_up("points_per_run", workspace.name, name, used=used, limit=limit, more=more)
        if quotas.points_per_experiment is not None or quotas.points_per_workspace is not None:
            refused = self._tally.refuse_points(workspace, quotas, run.experiment_id, more)
            if refused is not None:
                return refused
        self._points[run.id] = come + more
        self._homes[run.id] = workspace, name
        self._tally.add_points(workspace.id, run.experiment_id, more)
        return None

    def _total(self, run: int) -> int:
        if run not in self._totals:
            self._totals[run] = points.of_runs(self._tx, [run]).get(run, 0)
        return self._totals[run]

    def _refuse_entries(
        self, workspace: WorkspaceRef, quotas: Quotas, run: int, name: str, entries: Entries
    ) -> LimitExceeded | None:
        limit, used, more = quotas.params_per_run, self._params.get(run, 0), len(entries.params)
        if limit is not None and more and used + more > limit:
            return used_up("params_per_run", workspace.name, name, used=used, limit=limit, more=more)
        limit = quotas.tags_per_run
        if limit is not None and entries.tags:
            used, more = self._room_for_tags(run, {row[1] for row in entries.tags}, limit)
            if more and used + more > limit:
                return used_up("tags_per_run", workspace.name, name, used=used, limit=limit, more=more)
        return None

    def _room_for_tags(self, run: int, keys: set[int], limit: int) -> tuple[int, int]:
        """How many tags a run has, and how many of these are new; 0 when all may be."""
        stored, come = self._tags.get(run, 0), self._new_tags.get(run, set())
        if stored + len(come) + len(keys) <= limit:
            return stored, 0
        known = attributes.keys_of_tags(self._tx, run, come | keys)
        return stored + len(come - known), len(keys - known - come)

    def store(self) -> None:
        """Count the points. First of all that is written: whoever else logs to these runs waits here.

        Raises:
            LimitExceeded: a run would have more than it may.
        """
        by_limit: dict[int, dict[int, int]] = {}
        for run, number in self._points.items():
            limit = self._room.quotas(self._homes[run][0].id).points_per_run
            by_limit.setdefault(MAX_LIMIT if limit is None else limit, {})[run] = number
        for limit, numbers in by_limit.items():
            if not points.add(self._tx, numbers, limit):
                raise self._too_many(numbers, limit)

    def _too_many(self, numbers: Mapping[int, int], limit: int) -> LimitExceeded:
        """The error of one of the runs. A group runs again request by request, and each gets its own."""
        totals = dict.fromkeys(numbers, 0) | points.of_runs(self._tx, list(numbers))
        tight = [run for run, number in numbers.items() if totals[run] + number > limit]
        self._room.note_tight(tight)
        run = max(tight, key=lambda one: totals[one] + numbers[one])
        workspace, name = self._homes[run]
        return used_up(
            "points_per_run", workspace.name, name, used=totals[run], limit=limit, more=numbers[run]
        )


def refuse_tag(
    tx: Transaction, room: Room, principal: Principal, run: tuple[int, str], key: int
) -> LimitExceeded | None:
    """Why one tag can't be set; `run` is its surrogate key and its id."""
    limit = room.quotas(principal.workspace.id).tags_per_run
    if limit is None:
        return None
    attributes.lock_runs(tx, {run[0]})
    used = attributes.count_tags(tx, {run[0]}).get(run[0], 0)
    if used < limit or attributes.keys_of_tags(tx, run[0], {key}):
        return None
    return used_up("tags_per_run", principal.workspace.name, run[1], used=used, limit=limit, more=1)
