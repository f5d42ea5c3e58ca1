"""The grammar beyond MLflow's, types, limits and errors of filters."""

from __future__ import annotations

import re

import pytest

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search import (
    MAX_DEPTH,
    MAX_LENGTH,
    MAX_PARENTHESES,
    MAX_TERMS,
    MAX_VALUES,
    And,
    Between,
    Comparison,
    Entity,
    Field,
    In,
    IsNan,
    IsNull,
    MetricFunction,
    Node,
    Not,
    Operator,
    Or,
    Schema,
    parse_filter,
)
from tests.unit.server.kernel.search.schemas import EXPERIMENTS, MODEL_VERSIONS, RUNS, message, parsed


def _is(key: str) -> Comparison:
    return Comparison(Field(Entity.TAG, key), Operator.EQ, "1")


ACC = Field(Entity.METRIC, "acc")
LR = Field(Entity.PARAM, "lr")
A, B, C, D = (_is(key) for key in "abcd")


@pytest.mark.parametrize(
    ("logic", "tree"),
    [
        ("a OR b", Or((A, B))),
        ("a or b AND c", Or((A, And((B, C))))),
        ("a AND b Or c", Or((And((A, B)), C))),
        ("(a OR b) AND c", And((Or((A, B)), C))),
        ("a AND (b OR c) AND d", And((A, Or((B, C)), D))),
        ("NOT a AND b", And((Not(A), B))),
        ("not (a AND b)", Not(And((A, B)))),
        ("NOT NOT a", Not(Not(A))),
        ("NOT(a)OR(b)", Or((Not(A), B))),
        ("a (b OR c)", None),
        ("a b OR c", Or((And((A, B)), C))),
        # nested ANDs and ORs become one
        ("(a AND b) AND (c AND d)", And((A, B, C, D))),
        ("((a OR (b OR c))) OR d", Or((A, B, C, D))),
        ("((a))", A),
    ],
)
def test_logic_binds_not_before_and_before_or(logic: str, tree: Node | None) -> None:
    text = re.sub(r"\b([abcd])\b", r"tags.\1 = '1'", logic)

    if tree is None:
        assert "expected AND, OR or the end, found `(`" in message(text)
    else:
        assert parsed(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("metrics.acc BETWEEN 0.5 AND 1", Between(ACC, 0.5, 1.0)),
        ("metrics.acc not between -inf and +5", Between(ACC, float("-inf"), 5.0, negated=True)),
        ("metrics.acc IN (1, 2.5)", In(ACC, (1.0, 2.5))),
        ("metrics.acc IS NULL", IsNull(ACC)),
        ("metrics.acc = nan", IsNan(ACC)),
        ("metrics.acc != NaN", IsNan(ACC, negated=True)),
        ("metrics.acc < Infinity", Comparison(ACC, Operator.LT, float("inf"))),
        ("params.lr NOT LIKE '1%'", Comparison(LR, Operator.NOT_LIKE, "1%")),
        ("params.lr not ilike '1%'", Comparison(LR, Operator.NOT_ILIKE, "1%")),
        ("params.lr IN ('1', '2')", In(LR, ("1", "2"))),
        ("NOT params.lr NOT IN ('1')", Not(In(LR, ("1",), negated=True))),
        ("status IN ('FAILED')", In(Field(Entity.ATTRIBUTE, "status"), ("FAILED",))),
        ("end_time is null", IsNull(Field(Entity.ATTRIBUTE, "end_time"))),
        ("datasets.digest IS NOT NULL", IsNull(Field(Entity.DATASET, "digest"), negated=True)),
        ("metrics.val/loss-1 > 1", Comparison(Field(Entity.METRIC, "val/loss-1"), Operator.GT, 1.0)),
        ("metrics.top:5.1 > 1", Comparison(Field(Entity.METRIC, "top:5.1"), Operator.GT, 1.0)),
        ("metrics.`a``b` > 1", Comparison(Field(Entity.METRIC, "a`b"), Operator.GT, 1.0)),
        ("`metrics.a b` > 1", Comparison(Field(Entity.METRIC, "a b"), Operator.GT, 1.0)),
        ('`metrics."` > 1', Comparison(Field(Entity.METRIC, '"'), Operator.GT, 1.0)),
        (
            "metrics.acc > 1OR metrics.acc<0AND params.lr IS NULL",
            Or(
                (
                    Comparison(ACC, Operator.GT, 1.0),
                    And((Comparison(ACC, Operator.LT, 0.0), IsNull(LR))),
                )
            ),
        ),
    ],
)
def test_conditions_beyond_mlflow(text: str, tree: Node) -> None:
    assert parsed(text) == tree


@pytest.mark.parametrize("function", list(MetricFunction))
def test_function_of_a_metrics_history(function: MetricFunction) -> None:
    # Given a function in any case, with a quoted or bare key
    text = f"{function.value.upper()}( metrics.`a b` ) >= 3"

    # When it's parsed
    node = parsed(text)

    # Then the field carries it; a count is compared with a whole number
    value: float = 3 if function is MetricFunction.COUNT else 3.0
    assert node == Comparison(Field(Entity.METRIC, "a b", function), Operator.GE, value)
    assert isinstance(node, Comparison)
    assert type(node.value) is type(value)


def test_function_names_are_names_elsewhere() -> None:
    assert parsed("metrics.max > 1 AND max(metrics.max) > 1") == And(
        (
            Comparison(Field(Entity.METRIC, "max"), Operator.GT, 1.0),
            Comparison(Field(Entity.METRIC, "max", MetricFunction.MAX), Operator.GT, 1.0),
        )
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("9007199254740993", 9007199254740993),
        ("-9223372036854775808", -(2**63)),
        ("9223372036854775808", float(2**63)),
        ("9" * 5000, float("inf")),
        ("1e3", 1000.0),
        ("inf", float("inf")),
    ],
)
def test_whole_numbers_are_exact_within_64_bits(text: str, value: int | float) -> None:
    node = parsed(f"start_time > {text}")

    assert isinstance(node, Comparison)
    assert node.value == value
    assert type(node.value) is type(value)


def test_nodes_know_their_place() -> None:
    # Given a filter with every level of node
    text = "  NOT max(metrics.acc) > 0.5 OR (params.`l r` IN ('1', '2') AND end_time IS NULL)"

    # When it's parsed
    node = parsed(text)

    # Then each node's offsets cut its own text out of the source
    assert isinstance(node, Or)
    negation, both = node.terms
    assert isinstance(negation, Not)
    assert isinstance(both, And)
    comparison, (listed, null) = negation.term, both.terms
    assert isinstance(comparison, Comparison)
    assert text[node.start : node.end] == text.strip().removesuffix(")")
    assert text[negation.start : negation.end] == "NOT max(metrics.acc) > 0.5"
    assert text[comparison.start : comparison.end] == "max(metrics.acc) > 0.5"
    assert text[comparison.field.start : comparison.field.end] == "max(metrics.acc)"
    assert text[listed.start : listed.end] == "params.`l r` IN ('1', '2')"
    assert text[null.start : null.end] == "end_time IS NULL"


@pytest.mark.parametrize("text", [None, "", "  "])
def test_empty_filter_is_no_tree(text: str | None) -> None:
    assert parse_filter(text, RUNS) is None


def test_error_points_at_the_column() -> None:
    assert message("metrics.acc > 0.5 AND params.lr = 0.1") == (
        "Invalid filter, column 35: params.lr is text: expected a text in quotes, found 0.1. Write '0.1'."
        "\n    metrics.acc > 0.5 AND params.lr = 0.1"
        "\n                                      ^^^"
    ).replace("found 0.1", "found `0.1`")


def test_error_shows_a_window_of_a_long_filter() -> None:
    # Given a mistake far inside a long filter with line breaks
    text = " AND\n".join(["metrics.acc > 0.5"] * 50 + ["metrics.acc ! 1"] + ["metrics.acc > 0.5"] * 50)

    # When it's refused
    head, line, caret = message(text).split("\n")

    # Then the message has one short line around it, and the caret stands under the mistake
    assert f"column {text.index('!') + 1}:" in head
    assert len(line) < 100
    assert line.startswith("    …")
    assert line.endswith("…")
    assert line[caret.index("^")] == "!"


def test_error_names_the_field_of_the_request() -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse_filter("metrics.acc >", RUNS, field="filter_string")

    assert raised.value.field == "filter_string"
    assert raised.value.message.startswith("Invalid filter_string, column 14: ")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("metrics.acc > 1 AND (", "expected a field, such as metrics.acc; found the end"),
        ("(metrics.acc > 1", "expected AND, OR or the `)` for the `(` in column 1, found the end"),
        ("metrics.acc > 1)", "expected AND, OR or the end, found `)`"),
        ("metrics.acc > 1 OR", "expected a field"),
        ("metrics.acc > 1 stray", "expected AND, OR or the end, found `stray`"),
        ("OR = '1'", "If `OR` is a name, put it in backticks"),
        ("metrics.acc 5", "expected =, !=, <, <=, >, >=, BETWEEN, IN or IS NULL, found `5`"),
        ("metrics.acc == 5", "Did you mean =?"),
        ("params.lr rlike '5'", "Did you mean LIKE?"),
        ("params.learning rate = '5'", "goes in backticks"),
        ("params.lr BETWEEN '1' AND '2'", "params.lr is text: expected =, !=, LIKE, ILIKE, IN or IS NULL"),
        ("metrics.acc NOT LIKE '5'", "found `LIKE`"),
        ("metrics.acc NOT 5", "found `NOT`"),
        ("metrics.acc NOT IS NULL", "found `NOT`"),
        ("metrics.acc IS 5", "expected NULL or NOT NULL, found `5`"),
        ("metrics.acc IS NOT 5", "expected NULL, found `5`"),
        ("metrics.acc BETWEEN 1, 2", "expected AND and the upper bound of BETWEEN, found `,`"),
        ("metrics.acc BETWEEN 1 AND", "expected a number, found the end"),
        ("metrics.acc BETWEEN 1 AND nan", "NaN can't stand here"),
        ("metrics.acc IN (1, nan)", "NaN can't stand here"),
        ("metrics.acc > nan", "NaN has no order"),
        ("start_time = nan", "a time in milliseconds since 1970: expected a number, found `nan`"),
        ("metrics.acc IN 1", "expected a list in parentheses after IN"),
        ("metrics.acc IN (1 2)", "expected `,` or `)` in the IN list, found `2`"),
        ("metrics.acc IN (1", "expected `,` or `)` in the IN list, found the end"),
        ("metrics.acc IN ()", "an IN list needs at least one value"),
        ("metrics.acc IN (,)", "expected a number, found `,`"),
        ("metrics.acc > '0.5'", "found '0.5'. Write it without quotes."),
        ("params.lr = params.x", "A field is compared with a constant"),
        ("statu = 'x'", "runs have no attribute `statu`. Did you mean `status`?"),
        ("acc > 1", "Write a metric as metrics.<key>, a param as params.<key>, a tag as tags.<key>."),
        ("dataset.nme = 'x'", "Did you mean `name`? The datasets are name, digest, context."),
        ("metric_.acc > 1", "runs have attributes, metrics, params, tags, datasets. Did you mean `metric`?"),
        ("inputs.x = 'y'", "runs have no inputs; they have attributes, metrics, params, tags, datasets."),
        ("metrics.`` > 1", "a key can't be empty"),
        ("metrics. > 1", "expected a key right after the dot"),
        ("metrics.`acc > 1", "this ` is never closed"),
        ("params.lr = 'it\\'s'", "a backslash doesn't escape it"),
        ("metrics.acc > 1 && metrics.b > 1", "Did you mean AND?"),
        (
            "counts(metrics.acc) > 1",
            "Did you mean `count`? The functions are count, first, last, max, mean, min.",
        ),
        ("max(params.lr) > 1", "max() takes a metric, such as max(metrics.acc); params.lr is none."),
        ("max(metrics.acc > 1", "expected `)` after metrics.acc, found `>`"),
        ("max(", "found the end"),
        ("max(1) > 2", "expected a field, such as metrics.acc; found `1`"),
        ("params.lr = '\x00'", "the character U+0000 is not allowed"),
        ("params.lr = '\ud800'", "the character U+D800 is not allowed"),
    ],
)
def test_error_says_what_would_be_legal(text: str, what: str) -> None:
    assert what in message(text)


@pytest.mark.parametrize(
    ("text", "schema", "what"),
    [
        ("experiment_id LIKE '1%'", EXPERIMENTS, "experiment_id is an id: expected =, !=, IN or IS NULL"),
        ("metrics.acc > 1", EXPERIMENTS, "experiments have no metrics; they have attributes, tags."),
        ("max(metrics.acc) > 1", EXPERIMENTS, "experiments have no functions."),
        ("version_number = '1'", MODEL_VERSIONS, "a whole number: expected a number, found '1'"),
    ],
)
def test_errors_follow_the_schema(text: str, schema: Schema, what: str) -> None:
    assert what in message(text, schema)


def test_messages_stay_short_whatever_the_filter() -> None:
    for text in ("a" * 90_000 + " > 1", "metrics." + "a" * 90_000 + " ~ 1", "1" * 90_000, "'" + "a" * 90_000):
        assert len(message(text)) < 600


def _listing(values: int) -> str:
    return f"metrics.a IN ({','.join(['1'] * values)})"


def _nested(levels: int) -> str:
    text = "tags.a = '1'"
    for level in range(levels):
        text = f"({text}) {('AND', 'OR')[level % 2]} tags.b = '1'"
    return text


@pytest.mark.parametrize(
    ("within", "beyond", "what"),
    [
        ("tags.a = '{}'".format("x" * (MAX_LENGTH - 11)), "x" * (MAX_LENGTH + 1), "the limit is 100,000"),
        (
            " OR ".join(["tags.a = '1'"] * MAX_TERMS),
            " OR ".join(["tags.a = '1'"] * (MAX_TERMS + 1)),
            "more than 500 conditions",
        ),
        (
            _listing(MAX_VALUES // 2) + " OR " + _listing(MAX_VALUES // 2),
            _listing(MAX_VALUES // 2) + " OR " + _listing(MAX_VALUES // 2 + 1),
            "more than 10,000 values in IN lists",
        ),
        (
            "(" * MAX_PARENTHESES + "tags.a = '1'" + ")" * MAX_PARENTHESES,
            "(" * 50_000 + "tags.a = '1'" + ")" * 49_000,
            "more than 100 parentheses",
        ),
        (_nested(MAX_DEPTH), _nested(MAX_DEPTH + 1), "more than 20 levels of AND, OR and NOT"),
        (
            "NOT " * MAX_DEPTH + "tags.a = '1'",
            "NOT " * (MAX_DEPTH + 1) + "tags.a = '1'",
            "more than 20 levels",
        ),
    ],
    ids=["length", "terms", "values", "parentheses", "depth", "nots"],
)
def test_limits(within: str, beyond: str, what: str) -> None:
    assert parse_filter(within, RUNS) is not None
    with pytest.raises(InvalidArgument, match=re.escape(what)):
        parse_filter(beyond, RUNS)
