"""SQL of the datasets and logged models that runs read and put out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.types import NullType

from runyard.server.db import Connection, Dialect, Query, Transaction, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import DatasetInput, DatasetSummary, ModelOutput

CONTEXT_TAG = "mlflow.data.context"

# A dataset's name and digest.
Pair = tuple[str, str]

_INPUT, _OUTPUT = 0, 1

_d, _rd = t.dataset.c, t.run_dataset.c


def _find_pairs(d: Dialect) -> Any:
    """The ids of the datasets that pairs of name and digest name, in one statement of fixed text."""
    name: ColumnElement[Any]
    digest: ColumnElement[Any]
    if d.name == "postgresql":
        columns = [cast(bindparam(column, type_=NullType()), ARRAY(Text)) for column in ("names", "digests")]
        pair = func.unnest(*columns).table_valued("name", "digest", name="pair").render_derived()
        name, digest = pair.c.name, pair.c.digest
    else:
        pair = func.json_each(bindparam("pairs", type_=NullType())).table_valued("value", name="pair")
        name, digest = (func.json_extract(pair.c.value, literal_column(f"'$[{i}]'")) for i in (0, 1))
    # Not a join: SQLite would rather scan the experiment's datasets. Locked, so that a purge that finds
    # no use of a dataset waits for the one that is about to be noted.
    found = (
        select(_d.id)
        .where(_d.experiment_id == bindparam("experiment_id"), _d.name == name, _d.digest == digest)
        .with_for_update(read=True, key_share=True)
    )
    return select(name, digest, found.scalar_subquery()).select_from(pair)


_by_pairs = Query(_find_pairs)
_insert = Query(
    lambda d: (
        d.insert(t.dataset)
        .values({c.name: bindparam(c.name) for c in _d if c is not _d.id})
        .on_conflict_do_nothing()
    )
)
_read_by = Query(
    select(_rd.dataset_id).where(_rd.run_id == bindparam("run_id"), in_list(_rd.dataset_id, "datasets"))
)
_link = Query(
    lambda d: (
        d.insert(t.run_dataset).values({c.name: bindparam(c.name) for c in _rd}).on_conflict_do_nothing()
    )
)
_link_model = Query(
    lambda d: (
        d.insert(t.run_model)
        .values({c.name: bindparam(c.name) for c in t.run_model.c})
        .on_conflict_do_nothing()
    )
)

# The contexts of each dataset, hopping over its uses from one context to the next: a million runs that
# read one dataset cost what one run does.
_newest = (
    select(_d.id)
    .where(in_list(_d.experiment_id, "experiments"))
    .order_by(_d.id.desc())
    .limit(bindparam("limit"))
    .subquery()
)
_contexts = select(
    _newest.c.id,
    select(func.min(_rd.context)).where(_rd.dataset_id == _newest.c.id).scalar_subquery().label("context"),
).cte("context", recursive=True)
_contexts = _contexts.union_all(
    select(
        _contexts.c.id,
        select(func.min(_rd.context))
        .where(_rd.dataset_id == _contexts.c.id, _rd.context > _contexts.c.context)
        .scalar_subquery(),
    ).where(_contexts.c.context.is_not(None))
)
_summaries = Query(
    select(_d.experiment_id, _d.name, _d.digest, _contexts.c.context)
    .select_from(_contexts.join(t.dataset, _d.id == _contexts.c.id))
    .where(_contexts.c.context.is_not(None))
    .order_by(_d.id.desc(), _contexts.c.context)
    .limit(bindparam("limit"))
)

_encode = msgspec.json.Encoder(order="sorted").encode


def link(tx: Transaction, run_id: int, experiment_id: int, datasets: Sequence[DatasetInput]) -> None:
    """Note datasets that a run read. What is known of a dataset or of a use stays as it is.

    A dataset is known by its name and digest, a use by its run, dataset and context. A use without a
    context is one more only where the run didn't read the dataset yet: clients log such a use beside
    each metric on a dataset.
    """
    first = {(x.name, x.digest, context_of(x)): x for x in reversed(datasets)}
    new = {(x.name, x.digest): x for x in first.values()}
    ids = _ids_of(tx, experiment_id, new)
    missing = sorted(new.keys() - ids.keys())
    if missing:
        tx.execute_many(_insert, [_row(experiment_id, new[key]) for key in missing])
        ids |= _ids_of(tx, experiment_id, missing)
    known = {key[:2] for key in first if key[2]}
    if len(known) < len(new):
        read = {row[0] for row in tx.rows(_read_by, run_id=run_id, datasets=list(ids.values()))}
        known |= {key for key, found in ids.items() if found in read}
    rows = [
        {
            "run_id": run_id,
            "dataset_id": ids[name, digest],
            "context": context,
            "tags": _encode({tag.key: tag.value for tag in use.tags}).decode(),
        }
        for (name, digest, context), use in first.items()
        if context or (name, digest) not in known
    ]
    tx.execute_many(_link, sorted(rows, key=lambda row: (row["dataset_id"], row["context"])))


def link_inputs(tx: Transaction, run_id: int, models: Sequence[str]) -> None:
    """Note logged models that a run read."""
    rows = [_model_row(run_id, model, _INPUT, 0) for model in sorted(set(models))]
    tx.execute_many(_link_model, rows)


def link_outputs(tx: Transaction, run_id: int, models: Sequence[ModelOutput]) -> None:
    """Note logged models that a run put out."""
    places = sorted({(output.model_id, output.step) for output in models})
    tx.execute_many(_link_model, [_model_row(run_id, model, _OUTPUT, step) for model, step in places])


def summaries(connection: Connection, experiments: Sequence[int], limit: int) -> list[DatasetSummary]:
    """The datasets that runs of the experiments read, once per context, newest first."""
    rows = connection.rows(_summaries, experiments=list(experiments), limit=limit)
    return [DatasetSummary(*row) for row in rows]


def context_of(use: DatasetInput) -> str:
    """What the run read the dataset for, such as `training`; empty where it doesn't say."""
    return next((tag.value for tag in use.tags if tag.key == CONTEXT_TAG), "")


def _ids_of(tx: Transaction, experiment_id: int, pairs: Collection[Pair]) -> dict[Pair, int]:
    names, digests = [name for name, _ in pairs], [digest for _, digest in pairs]
    rows = tx.rows(
        _by_pairs, experiment_id=experiment_id, names=names, digests=digests, pairs=[list(p) for p in pairs]
    )
    return {(name, digest): found for name, digest, found in rows if found is not None}


def _row(experiment_id: int, x: DatasetInput) -> dict[str, object]:
    return {
        "experiment_id": experiment_id,
        "name": x.name,
        "digest": x.digest,
        "source_type": x.source_type,
        "source": x.source,
        "schema": x.schema,
        "profile": x.profile,
    }


def _model_row(run_id: int, model: str, direction: int, step: int) -> dict[str, object]:
    return {"run_id": run_id, "model_uuid": model, "direction": direction, "step": step}
