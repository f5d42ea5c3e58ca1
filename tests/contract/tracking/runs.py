"""Runs as plain values, strategies that draw them, and a way to store them without the server."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from hypothesis import strategies as st

from runyard.server.db import Transaction
from runyard.server.metrics import engine
from runyard.server.metrics.types import PointBatch
from runyard.server.tracking.store import attributes, datasets, experiments, runs, summaries
from runyard.server.tracking.store.keys import Keys
from runyard.server.tracking.types import DatasetInput, Lifecycle, RunStatus, Tag

WORKSPACE = 1
LONG = "long " * 50
TEXTS = (
    "a", "A", "b", "ab", "Ab", "", " ", "ä", "Ä", "é", "ß", "日本", "😀", "\uffff", "%", "_", "a_b", "50%",
    "\\", "a\\b", "'", "''", '"', "`", "[a]", "*", "?", "^", "-", "]", "10", "9", "1e1", "a\nb", "\x7f", "~",
    LONG, LONG + "a", LONG + "b", LONG + "A", LONG[:200], LONG[:199], LONG[:199] + "ä",
)  # fmt: skip
NUMBERS = (0.0, -0.0, 0.25, 0.5, 1.0, 1.5, -1.0, 2.0**53, 1e-280, math.inf, -math.inf, math.nan)
TIMES = (0, 1, 2, 2**53, 2**53 + 1, -5, 2**63 - 1, -(2**63))
METRICS, PARAMS, TAGS = ("m", "n", "k 1"), ("p", "q", "m"), ("t", "u")

_serial = itertools.count(1)


@dataclass(frozen=True)
class Use:
    """A dataset that a run read."""

    name: str
    digest: str
    context: str


@dataclass(frozen=True)
class StoredRun:
    """A run; `metrics` has each series' values in the order of their steps."""

    experiment: int  # the place in the list of experiments until it is stored, then the id
    name: str
    user_id: str
    status: RunStatus
    start_time: int
    end_time: int | None
    lifecycle: Lifecycle
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, list[float]]
    datasets: list[Use]
    id: int = 0
    run_id: str = ""
    artifact_uri: str = field(default="", repr=False)


_texts = st.sampled_from(TEXTS)
_uses = st.builds(
    Use, st.sampled_from(["d", "e"]), st.sampled_from(["1", "2"]), st.sampled_from(["", "training", "Ä_%"])
)
RUNS = st.builds(
    StoredRun,
    experiment=st.integers(0, 2),
    name=_texts,
    user_id=st.sampled_from(["", "ada", "Ada", "ä"]),
    status=st.sampled_from(RunStatus),
    start_time=st.sampled_from(TIMES),
    end_time=st.none() | st.sampled_from(TIMES),
    lifecycle=st.sampled_from([Lifecycle.ACTIVE, Lifecycle.ACTIVE, Lifecycle.DELETED, Lifecycle.PURGED]),
    params=st.dictionaries(st.sampled_from(PARAMS), _texts, max_size=3),
    tags=st.dictionaries(st.sampled_from(TAGS), _texts, max_size=2),
    metrics=st.dictionaries(
        st.sampled_from(METRICS), st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3), max_size=3
    ),
    datasets=st.lists(_uses, max_size=2, unique=True),
)


def store(
    tx: Transaction, keys: Keys, drawn: Sequence[StoredRun], trashed: Collection[int] = ()
) -> list[StoredRun]:
    """Store runs in three new experiments; returns them with their ids, and as what they count.

    Args:
        tx: the transaction.
        keys: the interned names.
        drawn: the runs.
        trashed: the places of the experiments that are in the trash.
    """
    ids = keys.intern(tx, sorted({*METRICS, *PARAMS, *TAGS}))
    homes = []
    for place in range(3):
        name = f"experiment {next(_serial)}"
        home = experiments.insert(tx, WORKSPACE, name, f"mlflow-artifacts:/{name}", 0)
        assert home is not None
        if place in trashed:
            experiments.save(tx, home, name=name, lifecycle=Lifecycle.DELETED, now=0)
        homes.append((home, f"mlflow-artifacts:/{name}"))
    stored = []
    for run, run_id in zip(drawn, runs.reserve_ids(tx, len(drawn)), strict=True):
        home, location = homes[run.experiment]
        uuid = f"{next(_serial) * 7919 % 1_000_003:08x}"
        stored.append(
            replace(
                run,
                id=run_id,
                run_id=uuid,
                experiment=home,
                artifact_uri=f"{location}/{uuid}/artifacts",
            )
        )
    runs.insert(tx, [(r.id, r.run_id, r.experiment, r.name, r.user_id, r.start_time) for r in stored])
    for run in stored:
        _store_rest(tx, ids, run)
    gone = {homes[place][0] for place in trashed}
    return [
        replace(run, lifecycle=max(run.lifecycle, Lifecycle.DELETED)) if run.experiment in gone else run
        for run in stored
    ]


def _store_rest(tx: Transaction, ids: dict[str, int], run: StoredRun) -> None:
    runs.save(tx, run.id, status=int(run.status), end_time=run.end_time, name=run.name)
    if run.lifecycle is not Lifecycle.ACTIVE:
        runs.set_lifecycle(tx, run.id, run.lifecycle, 0)
    attributes.insert_params(tx, [(run.id, ids[k], run.experiment, v) for k, v in run.params.items()])
    attributes.set_tags(tx, [(run.id, ids[k], run.experiment, v) for k, v in run.tags.items()])
    rows = []
    for key, values in run.metrics.items():
        steps = list(range(len(values)))
        batch = PointBatch(run.id, [ids[key]], None, steps, steps, values)
        rows += [summaries.merge_row(run.experiment, s, summary) for s, summary in engine.summarize(batch)]
    summaries.merge(tx, sorted(rows))
    used = [
        DatasetInput(
            u.name,
            u.digest,
            "local",
            "s",
            None,
            None,
            [Tag("mlflow.data.context", u.context)] if u.context else [],
        )
        for u in run.datasets
    ]
    if used:
        datasets.link(tx, run.id, run.experiment, used)
