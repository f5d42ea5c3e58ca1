"""order_by clauses."""

from __future__ import annotations

import pytest

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search import (
    MAX_ORDER_TERMS,
    Entity,
    Field,
    MetricFunction,
    OrderTerm,
    Schema,
    order_term,
    parse_order_by,
    parse_order_term,
)
from tests.unit.server.kernel.search.schemas import EXPERIMENTS, LOGGED_MODELS, RUNS

ACC = Field(Entity.METRIC, "acc")
A_B = Field(Entity.METRIC, "a b")
START = Field(Entity.ATTRIBUTE, "start_time")


@pytest.mark.parametrize(
    ("clause", "term"),
    [
        # as MLflow 3.17 parses them
        ("metrics.acc", OrderTerm(ACC, ascending=True)),
        ("metrics.acc DESC", OrderTerm(ACC, ascending=False)),
        ("metric.acc\tdesc", OrderTerm(ACC, ascending=False)),
        ("metrics.acc  Asc", OrderTerm(ACC, ascending=True)),
        ("metrics.`a b` DESC", OrderTerm(A_B, ascending=False)),
        ('metrics."a b"', OrderTerm(A_B)),
        ("metrics.'a b' DESC", OrderTerm(A_B, ascending=False)),
        ("`metrics`.`a b` DESC", OrderTerm(A_B, ascending=False)),
        ("`metrics.a b` DESC", OrderTerm(A_B, ascending=False)),
        ("metrics.a.b.c", OrderTerm(Field(Entity.METRIC, "a.b.c"))),
        ("metrics.1 DESC", OrderTerm(Field(Entity.METRIC, "1"), ascending=False)),
        ("metrics.order DESC", OrderTerm(Field(Entity.METRIC, "order"), ascending=False)),
        ("params.desc desc", OrderTerm(Field(Entity.PARAM, "desc"), ascending=False)),
        ("parameter.x ASC", OrderTerm(Field(Entity.PARAM, "x"))),
        ("tags.mlflow.user DESC", OrderTerm(Field(Entity.TAG, "mlflow.user"), ascending=False)),
        ("tag.`it's` DESC", OrderTerm(Field(Entity.TAG, "it's"), ascending=False)),
        ("attributes.start_time", OrderTerm(START)),
        ("attr.start_time DESC", OrderTerm(START, ascending=False)),
        ("start_time DESC", OrderTerm(START, ascending=False)),
        ("`start_time`", OrderTerm(START)),
        ('"start_time" desc', OrderTerm(START, ascending=False)),
        ("Created", OrderTerm(START)),
        # beyond MLflow
        (" metrics.acc DESC ", OrderTerm(ACC, ascending=False)),
        ("metrics.val/loss", OrderTerm(Field(Entity.METRIC, "val/loss"))),
        ("`Run name` DESC", OrderTerm(Field(Entity.ATTRIBUTE, "run_name"), ascending=False)),
        (
            "max(metrics.acc) DESC",
            OrderTerm(Field(Entity.METRIC, "acc", MetricFunction.MAX), ascending=False),
        ),
    ],
)
def test_clause_of_runs(clause: str, term: OrderTerm) -> None:
    assert parse_order_term(clause, RUNS) == term


def test_list_keeps_its_order_and_drops_what_orders_nothing() -> None:
    # Given a list that names a field twice, once by an alias
    clauses = ["start_time DESC", "metrics.acc", "attributes.Created ASC", "max(metrics.acc)"]

    # When it's parsed
    terms = parse_order_by(clauses, RUNS)

    # Then the first of each field stays
    assert terms == (
        OrderTerm(START, ascending=False),
        OrderTerm(ACC),
        OrderTerm(Field(Entity.METRIC, "acc", MetricFunction.MAX)),
    )
    assert parse_order_by([], RUNS) == ()


@pytest.mark.parametrize(
    ("clause", "schema", "column", "what"),
    [
        ("", RUNS, 1, "expected a field"),
        ("DESC", RUNS, 1, "runs have no attribute `DESC`"),
        ("metrics.acc foo", RUNS, 13, "expected ASC, DESC or the end, found `foo`"),
        ("metrics.acc DESC NULLS LAST", RUNS, 18, "expected ASC, DESC or the end, found `NULLS`"),
        ("metrics.acc, metrics.b", RUNS, 12, "found `,`"),
        ("metrics.", RUNS, 9, "expected a key right after the dot"),
        ("foo.bar", RUNS, 1, "`foo` is not a kind of field"),
        ("METRICS.acc", RUNS, 1, "Did you mean `metrics`?"),
        ("star_time", RUNS, 1, "Did you mean `start_time`?"),
        ("dataset.name", RUNS, 1, "runs can't be ordered by datasets; they can by attributes, metrics"),
        ("metrics.acc", EXPERIMENTS, 1, "experiments have no metrics"),
    ],
)
def test_error_points_at_the_clause_and_column(clause: str, schema: Schema, column: int, what: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_order_by(["attributes." + schema.names(Entity.ATTRIBUTE)[0], clause], schema)

    assert raised.value.field == "order_by[1]"
    assert raised.value.message.startswith(f"Invalid order_by[1], column {column}: ")
    assert what in raised.value.message


def test_number_of_clauses_is_limited() -> None:
    clauses = [f"metrics.m{i}" for i in range(MAX_ORDER_TERMS + 1)]

    assert len(parse_order_by(clauses[1:], RUNS)) == MAX_ORDER_TERMS
    with pytest.raises(InvalidArgument, match="33 clauses; the limit is 32"):
        parse_order_by(clauses, RUNS)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("metrics.acc", ACC),
        ("metrics.a b", A_B),
        ("metrics.`a b`", A_B),
        ("metrics.a.b c/d'", Field(Entity.METRIC, "a.b c/d'")),
        ("creation_time", Field(Entity.ATTRIBUTE, "creation_timestamp")),
        (" name ", Field(Entity.ATTRIBUTE, "name")),
    ],
)
def test_plain_name_is_all_key_after_the_dot(name: str, field: Field) -> None:
    assert order_term(name, LOGGED_MODELS, ascending=False) == OrderTerm(field, ascending=False)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nam", "Did you mean `name`?"),
        ("metric_.acc", "`metric_` is not a kind of field: logged models have"),
        ("metrics.", "a key can't be empty"),
        ("", "logged models have no attribute"),
    ],
)
def test_plain_name_that_is_none(name: str, what: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        order_term(name, LOGGED_MODELS, ascending=True, field="order_by[0].field_name")

    assert what in raised.value.message
    assert raised.value.field == "order_by[0].field_name"
