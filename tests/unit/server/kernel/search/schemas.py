"""Schemas like those of MLflow's servers, and shorthands for the search tests."""

from __future__ import annotations

import pytest

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search import (
    And,
    Attribute,
    Comparison,
    Entity,
    In,
    IsNull,
    Kind,
    MetricFunction,
    Node,
    Schema,
    parse_filter,
)

RUNS = Schema(
    noun="runs",
    named={
        Entity.ATTRIBUTE: (
            Attribute("run_id", Kind.STRING),
            Attribute("run_name", Kind.STRING, ("run name", "Run name", "Run Name")),
            Attribute("status", Kind.STRING),
            Attribute("user_id", Kind.STRING),
            Attribute("artifact_uri", Kind.STRING),
            Attribute("start_time", Kind.TIMESTAMP, ("created", "Created")),
            Attribute("end_time", Kind.TIMESTAMP),
        ),
        Entity.DATASET: (
            Attribute("name", Kind.STRING),
            Attribute("digest", Kind.STRING),
            Attribute("context", Kind.STRING),
        ),
    },
    keyed={Entity.METRIC: Kind.NUMBER, Entity.PARAM: Kind.STRING, Entity.TAG: Kind.STRING},
    functions=frozenset(MetricFunction),
)

EXPERIMENTS = Schema(
    noun="experiments",
    named={
        Entity.ATTRIBUTE: (
            Attribute("experiment_id", Kind.ID),
            Attribute("name", Kind.STRING),
            Attribute("creation_time", Kind.TIMESTAMP),
            Attribute("last_update_time", Kind.TIMESTAMP),
        )
    },
    keyed={Entity.TAG: Kind.STRING},
)

LOGGED_MODELS = Schema(
    noun="logged models",
    named={
        Entity.ATTRIBUTE: (
            Attribute("model_id", Kind.STRING),
            Attribute("name", Kind.STRING),
            Attribute("model_type", Kind.STRING),
            Attribute("status", Kind.STRING),
            Attribute("source_run_id", Kind.STRING),
            Attribute("creation_timestamp", Kind.TIMESTAMP, ("creation_time", "creation_timestamp_ms")),
            Attribute("last_updated_timestamp", Kind.TIMESTAMP, ("last_updated_time",)),
        )
    },
    keyed={Entity.METRIC: Kind.NUMBER, Entity.PARAM: Kind.STRING, Entity.TAG: Kind.STRING},
    bare_values=True,
)

MODEL_VERSIONS = Schema(
    noun="model versions",
    named={
        Entity.ATTRIBUTE: (
            Attribute("name", Kind.STRING),
            Attribute("version_number", Kind.INTEGER),
            Attribute("run_id", Kind.STRING),
        )
    },
    keyed={Entity.TAG: Kind.STRING},
)

Flat = tuple[str, str, str, object]
"""Entity, key, operator and value of a condition, as MLflow's parsers give it."""


def parsed(text: str, schema: Schema = RUNS) -> Node:
    """The tree of a filter that isn't empty."""
    node = parse_filter(text, schema)
    assert node is not None
    return node


def message(text: str, schema: Schema = RUNS) -> str:
    """What a wrong filter is answered."""
    with pytest.raises(InvalidArgument) as raised:
        parse_filter(text, schema)
    assert raised.value.field == "filter"
    return raised.value.message


def flat(text: str, schema: Schema = RUNS) -> list[Flat]:
    """The conditions of a filter that has only what MLflow knows: conditions joined by AND."""
    node = parse_filter(text, schema)
    if node is None:
        return []
    return [_flat(term) for term in (node.terms if isinstance(node, And) else (node,))]


def _flat(node: Node) -> Flat:
    match node:
        case Comparison(field, operator, value):
            return field.entity.value, field.key, operator.value, value
        case In(field, values, negated):
            return field.entity.value, field.key, "NOT IN" if negated else "IN", values
        case IsNull(field, negated):
            return field.entity.value, field.key, "IS NOT NULL" if negated else "IS NULL", None
    raise AssertionError(f"MLflow has no {node}")
