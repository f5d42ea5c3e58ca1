"""What holds for any tree, any text and any of MLflow's filters."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from runyard.server.kernel.errors import InvalidArgument
from runyard.server.kernel.search import (
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
    canonical,
    parse_filter,
    parse_order_term,
)
from tests.unit.server.kernel.search.schemas import EXPERIMENTS, LOGGED_MODELS, RUNS, Flat, flat, parsed

ANY = settings(deadline=None, max_examples=300)

_STORABLE = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
TEXTS = st.text(_STORABLE, max_size=12)
KEYS = st.text(_STORABLE, min_size=1, max_size=12)
REALS = st.floats(allow_nan=False)
WHOLES = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
ORDERS = st.sampled_from([Operator.EQ, Operator.NE, Operator.GT, Operator.GE, Operator.LT, Operator.LE])
MATCHES = st.sampled_from(
    [Operator.EQ, Operator.NE, Operator.LIKE, Operator.ILIKE, Operator.NOT_LIKE, Operator.NOT_ILIKE]
)

_text_fields = st.builds(Field, st.sampled_from([Entity.PARAM, Entity.TAG]), KEYS) | st.builds(
    Field, st.just(Entity.ATTRIBUTE), st.sampled_from(["run_id", "status", "run_name"])
)
_real_fields = st.builds(
    Field,
    st.just(Entity.METRIC),
    KEYS,
    st.sampled_from([None, *(f for f in MetricFunction if f is not MetricFunction.COUNT)]),
)
_whole_fields = st.builds(Field, st.just(Entity.METRIC), KEYS, st.just(MetricFunction.COUNT)) | st.builds(
    Field, st.just(Entity.ATTRIBUTE), st.sampled_from(["start_time", "end_time"])
)


def _conditions() -> st.SearchStrategy[Node]:
    nodes: list[st.SearchStrategy[Node]] = [
        st.builds(Comparison, _text_fields, MATCHES, TEXTS),
        st.builds(In, _text_fields, st.lists(TEXTS, min_size=1, max_size=3).map(tuple), st.booleans()),
        st.builds(IsNull, _text_fields | _real_fields | _whole_fields, st.booleans()),
        st.builds(IsNan, _real_fields, st.booleans()),
    ]
    for fields, values in ((_real_fields, REALS), (_whole_fields, WHOLES)):
        nodes += [
            st.builds(Comparison, fields, ORDERS, values),
            st.builds(In, fields, st.lists(values, min_size=1, max_size=3).map(tuple), st.booleans()),
            st.builds(Between, fields, values, values, st.booleans()),
        ]
    return st.one_of(nodes)


def _joined(join: type[And] | type[Or], terms: list[Node]) -> Node:
    flattened: list[Node] = []
    for term in terms:
        flattened.extend(term.terms if isinstance(term, join) else (term,))
    return join(tuple(flattened))


def _combined(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(nodes, min_size=2, max_size=3)
    return st.builds(Not, nodes) | some.map(lambda t: _joined(And, t)) | some.map(lambda t: _joined(Or, t))


TREES: st.SearchStrategy[Node] = st.recursive(_conditions(), _combined, max_leaves=12)


@ANY
@given(TREES)
def test_parsing_the_canonical_text_gives_the_tree_again(tree: Node) -> None:
    text = canonical(tree)

    again = parsed(text)

    assert again == tree
    assert canonical(again) == text  # 5 and 5.0 are equal, their texts aren't


PIECES = """
    metrics.acc params.`a b` tags attributes.status start_time run name ` ' " max( max count(
    AND OR NOT IN LIKE BETWEEN IS NULL ( ) , . = != > <= == - + nan -inf 1 1.5e-3 1e 'x' "y"
    \\ ; -- 'a x' ı ٣
""".split()  # noqa: SIM905 - as a list it fills a page
SOUP = st.lists(
    st.sampled_from([*PIECES, "\n", "\x00", "\ud800"]) | st.text(st.characters(), max_size=3), max_size=14
)


@settings(deadline=None, max_examples=1000)
@given(SOUP.map("".join) | SOUP.map(" ".join) | st.text(st.characters()))
@example("params.`a\nb` 1")  # a name that an error shows has a line break in it
def test_any_text_is_a_filter_or_an_error_that_points_into_it(text: str) -> None:
    for schema in (RUNS, EXPERIMENTS, LOGGED_MODELS):
        tree, error = _outcome(text, schema)
        if error is not None:
            head, _, caret = error.encode().decode().split("\n")
            column = int(head.removeprefix("Invalid filter, column ").split(":")[0])
            assert 1 <= column <= len(text) + 1
            assert set(caret.strip()) == {"^"}
        elif tree is not None:
            assert parse_filter(canonical(tree), schema) == tree


def _outcome(text: str, schema: Schema) -> tuple[Node | None, str | None]:
    try:
        return parse_filter(text, schema), None
    except InvalidArgument as error:
        return None, error.message


@ANY
@given(SOUP.map(" ".join))
def test_any_text_is_an_order_or_an_error(text: str) -> None:
    try:
        term = parse_order_term(text, RUNS)
    except InvalidArgument:
        return
    assert term.field.key


def _quoted(marks: str, text: str) -> st.SearchStrategy[str]:
    legal = [mark for mark in marks if mark not in text]
    return st.sampled_from([f"{mark}{text}{mark}" for mark in legal]) if legal else st.nothing()


KEY = st.from_regex(r"[a-z_][a-z0-9_]{0,5}(\.[a-z_]{1,4})?", fullmatch=True)
NUMBER = st.from_regex(
    r"-?([0-9]{1,3}|[0-9]{1,3}\.[0-9]{0,3}|\.[0-9]{1,3}|[0-9](\.[0-9])?[eE]-?[0-9])", fullmatch=True
)
GAP = st.sampled_from(["", " ", "  ", "\n", "\t "])
PARAMS, TAGS, METRICS = ["param", "params", "parameter", "parameters"], ["tag", "tags"], ["metric", "metrics"]


@st.composite
def _mlflow_condition(draw: st.DrawFn) -> tuple[str, Flat]:
    """A condition as a client of MLflow may write it, and what MLflow reads in it."""
    if draw(st.booleans()):
        key = draw(KEY)
        spelled = draw(_quoted("`\"'", key) | st.just(key))
    else:
        key = draw(st.text("ab ./:-é", min_size=1, max_size=6))
        spelled = draw(_quoted("`\"'", key))
    shape = draw(st.sampled_from(["number", "text", "null"]))
    if shape == "number":
        number, operator = draw(NUMBER), draw(st.sampled_from(["=", "!=", ">", ">=", "<", "<="]))
        text = f"{draw(st.sampled_from(METRICS))}.{spelled}{draw(GAP)}{operator}{draw(GAP)}{number}"
        return text, ("metrics", key, operator, float(number))
    entity, words = draw(st.sampled_from([("params", PARAMS), ("tags", TAGS)]))
    name = f"{draw(st.sampled_from(words))}.{spelled}"
    if shape == "null":
        null = draw(st.sampled_from(["IS NULL", "is null", "IS NOT NULL", "Is Not Null"]))
        return f"{name} {null}", (entity, key, null.upper(), None)
    # MLflow lets a backslash before a quote go on with the text.
    value = draw(st.text("ab1 %_;(),=`-\\é\n'\"", max_size=8).filter(lambda v: not v.endswith("\\")))
    operator = draw(st.sampled_from(["=", "!=", " LIKE", " like", " ILIKE"]))
    literal = draw(_quoted("'\"", value))
    return f"{name}{operator}{draw(GAP)}{literal}", (entity, key, operator.strip().upper(), value)


@ANY
@given(
    st.lists(_mlflow_condition(), min_size=1, max_size=4),
    st.sampled_from([" AND ", " and ", "\nAnd\t", " AND AND "]),
)
def test_mlflows_filters_mean_what_they_mean_there(conditions: list[tuple[str, Flat]], joint: str) -> None:
    text = joint.join(spelling for spelling, _ in conditions)

    assert flat(text) == [condition for _, condition in conditions]
