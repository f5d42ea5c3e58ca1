"""SQL of the datasets and logged models that runs read and put out."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, func, select

from runyard.server.db import Connection, Query, Transaction, in_list
from runyard.server.tracking import tables as t
from runyard.server.tracking.types import DatasetInput, DatasetSummary, ModelOutput

CONTEXT_TAG = "mlflow.data.context"

_INPUT, _OUTPUT = 0, 1

_d, _rd = t.dataset.c, t.run_dataset.c

_id_of = Query(
    select(_d.id).where(
        _d.experiment_id == bindparam("experiment_id"),
        _d.name == bindparam("name"),
        _d.digest == bindparam("digest"),
    )
)
_insert = Query(
    lambda d: (
        d.insert(t.dataset)
        .values({c.name: bindparam(c.name) for c in _d if c is not _d.id})
        .on_conflict_do_nothing()
    )
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

    A dataset is known by its name and digest, a use by its run, dataset and context.
    """
    first = {(x.name, x.digest, context_of(x)): x for x in reversed(datasets)}
    new = {(x.name, x.digest): x for x in first.values()}
    ids = {key: tx.value(_id_of, experiment_id=experiment_id, name=key[0], digest=key[1]) for key in new}
    missing = sorted(key for key, found in ids.items() if found is None)
    tx.execute_many(_insert, [_row(experiment_id, new[key]) for key in missing])
    for name, digest in missing:
        ids[name, digest] = tx.value(_id_of, experiment_id=experiment_id, name=name, digest=digest)
    rows = [
        {
            "run_id": run_id,
            "dataset_id": ids[name, digest],
            "context": context,
            "tags": _encode({tag.key: tag.value for tag in use.tags}).decode(),
        }
        for (name, digest, context), use in first.items()
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
