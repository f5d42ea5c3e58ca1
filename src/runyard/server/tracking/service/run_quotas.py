"""The quotas of single runs. They are exact: what counts is read and written in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from runyard.server.auth import Principal
from runyard.server.db import Row, Transaction
from runyard.server.kernel.errors import QuotaExceeded
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
    that would exceed its quota. Such a run is known as tight from then on, and read beforehand.

    Args:
        tx: the group's transaction.
        room: the quotas, and the sums of experiments and workspaces.
        runs: the runs, by their ids outside.
        items: the requests.
    """

    __slots__ = ("_by_limit", "_entries", "_items", "_room", "_runs", "_tally", "_totals", "_tx")

    def __init__(
        self,
        tx: Transaction,
        room: Room,
        runs: Mapping[str, RunKey],
        items: Sequence[tuple[Principal, RunBatch]],
    ) -> None:
        self._tx = tx
        self._room = room
        self._runs = runs
        self._items = items
        self._tally = room.tally(tx)
        # By limit the points that come to each run.
        self._by_limit: dict[int | None, dict[int, int]] = {}
        # What tight runs have.
        self._totals: dict[int, int] = self._read_tight() if room.tight else {}
        with_entries = [item for _, item in items if item.params or item.tags]
        self._entries = _EntryRoom(tx, runs, with_entries) if with_entries else None

    def take(
        self, principal: Principal, run: RunKey, item: RunBatch, entries: Entries | None
    ) -> QuotaExceeded | None:
        """Take the room for a request that is going to be stored; returns why there is none."""
        quotas = self._room.quotas(principal.workspace.id)
        if entries is not None and self._entries is not None:
            refused = self._entries.refuse(principal, quotas, run.id, item.run, entries)
            if refused is not None:
                return refused
        if item.points is not None:
            refused = self._take_points(principal, quotas, run, item.run, len(item.points.values))
            if refused is not None:
                return refused
        if entries is not None and self._entries is not None:
            self._entries.take(run.id, entries)
        return None

    def _take_points(
        self, principal: Principal, quotas: Quotas, run: RunKey, name: str, more: int
    ) -> QuotaExceeded | None:
        limit = quotas.points_per_run
        numbers = self._by_limit.get(limit)
        if numbers is None:
            numbers = self._by_limit[limit] = {}
        come = numbers.get(run.id, 0)
        if limit is not None and (come + more > limit or run.id in self._totals):
            used = self._total(run.id) + come
            if used + more > limit:
                return used_up("points_per_run", principal, name, used=used, limit=limit, more=more)
        if quotas.points_per_experiment is not None or quotas.points_per_workspace is not None:
            refused = self._tally.refuse_points(principal, quotas, run.experiment_id, more)
            if refused is not None:
                return refused
        numbers[run.id] = come + more
        self._tally.add_points(principal.workspace.id, run.experiment_id, more)
        return None

    def _total(self, run: int) -> int:
        if run not in self._totals:
            self._totals[run] = points.of_runs(self._tx, [run]).get(run, 0)
        return self._totals[run]

    def _read_tight(self) -> dict[int, int]:
        tight = [run.id for run in self._runs.values() if run.id in self._room.tight]
        return dict.fromkeys(tight, 0) | points.of_runs(self._tx, tight) if tight else {}

    def store(self) -> None:
        """Count the points. First of all that is written: whoever else logs to these runs waits here.

        Raises:
            QuotaExceeded: a run would have more than it may.
        """
        for limit, numbers in self._by_limit.items():
            most = MAX_LIMIT if limit is None else limit
            if numbers and not points.add(self._tx, numbers, most):
                raise self._too_many(numbers, most)

    def _too_many(self, numbers: Mapping[int, int], limit: int) -> QuotaExceeded:
        """The error of one of the runs. A group runs again request by request, and each gets its own."""
        totals = dict.fromkeys(numbers, 0) | points.of_runs(self._tx, list(numbers))
        tight = [run for run, number in numbers.items() if totals[run] + number > limit]
        self._room.note_tight(tight)
        run = max(tight, key=lambda one: totals[one] + numbers[one])
        principal, name = next(
            (principal, item.run)
            for principal, item in self._items
            if item.run in self._runs and self._runs[item.run].id == run
        )
        return used_up("points_per_run", principal, name, used=totals[run], limit=limit, more=numbers[run])


class _EntryRoom:
    """The room for a group's params and tags.

    Args:
        tx: the group's transaction.
        runs: the runs, by their ids outside.
        items: those of the requests that bring some.
    """

    def __init__(self, tx: Transaction, runs: Mapping[str, RunKey], items: Sequence[RunBatch]) -> None:
        with_params = {runs[item.run].id for item in items if item.params and item.run in runs}
        with_tags = {runs[item.run].id for item in items if item.tags and item.run in runs}
        attributes.lock_runs(tx, with_params | with_tags)
        self._tx = tx
        self._params = attributes.count_params(tx, with_params)
        self._tags = attributes.count_tags(tx, with_tags)
        # The keys of tags that the group brings.
        self._new_tags: dict[int, set[int]] = {}

    def refuse(
        self, principal: Principal, quotas: Quotas, run: int, name: str, entries: Entries
    ) -> QuotaExceeded | None:
        """Why a request can't be stored; None when it can."""
        limit, used, more = quotas.params_per_run, self._params.get(run, 0), len(entries.params)
        if limit is not None and more and used + more > limit:
            return used_up("params_per_run", principal, name, used=used, limit=limit, more=more)
        limit = quotas.tags_per_run
        if limit is not None and entries.tags:
            used, more = self._room_for_tags(run, {row[1] for row in entries.tags}, limit)
            if more and used + more > limit:
                return used_up("tags_per_run", principal, name, used=used, limit=limit, more=more)
        return None

    def take(self, run: int, entries: Entries) -> None:
        """The request is going to be stored."""
        self._params[run] = self._params.get(run, 0) + len(entries.params)
        self._new_tags.setdefault(run, set()).update(row[1] for row in entries.tags)

    def _room_for_tags(self, run: int, keys: set[int], limit: int) -> tuple[int, int]:
        """How many tags a run has, and how many of these are new; 0 when all may be."""
        stored, come = self._tags.get(run, 0), self._new_tags.get(run, set())
        if stored + len(come) + len(keys) <= limit:
            return stored, 0
        known = attributes.keys_of_tags(self._tx, run, come | keys)
        return stored + len(come - known), len(keys - known - come)


def refuse_tag(
    tx: Transaction, room: Room, principal: Principal, run: tuple[int, str], key: int
) -> QuotaExceeded | None:
    """Why one tag can't be set; `run` is its surrogate key and its id."""
    limit = room.quotas(principal.workspace.id).tags_per_run
    if limit is None:
        return None
    attributes.lock_runs(tx, {run[0]})
    used = attributes.count_tags(tx, {run[0]}).get(run[0], 0)
    if used < limit or attributes.keys_of_tags(tx, run[0], {key}):
        return None
    return used_up("tags_per_run", principal, run[1], used=used, limit=limit, more=1)
