"""Strategies that draw filters and orders over the runs of `tests.contract.tracking.runs`."""

from __future__ import annotations

from hypothesis import strategies as st

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
    OrderTerm,
)
from tests.contract.tracking.runs import METRICS, NUMBERS, PARAMS, TAGS, TEXTS, TIMES

_UNKNOWN = "no run has it"
_COMPARED = st.sampled_from([Operator.EQ, Operator.NE, Operator.GT, Operator.GE, Operator.LT, Operator.LE])
_MATCHED = st.sampled_from(
    [Operator.EQ, Operator.NE, Operator.LIKE, Operator.ILIKE, Operator.NOT_LIKE, Operator.NOT_ILIKE]
)

_texts = st.sampled_from(TEXTS)
_pieces = st.sampled_from(
    ["%", "_", "a", "A", "Ä", "ä", "[", "]", "*", "?", "\\", "^", "10", "long %", "日", "😀"]
)
_patterns = _texts | st.lists(_pieces, max_size=4).map("".join)
_reals = st.sampled_from([n for n in NUMBERS if n == n]) | st.sampled_from([0.3, 1e308])  # noqa: PLR0124
_wholes = (
    st.sampled_from(TIMES)
    | st.sampled_from([0.5, 1.5, -0.5, 2.0**63, -(2.0**64), float("inf"), float("-inf"), 2.0**53])
    | st.integers(0, 4)
)


def _keyed(entity: Entity, keys: tuple[str, ...]) -> st.SearchStrategy[Field]:
    return st.builds(Field, st.just(entity), st.sampled_from([*keys, *keys, _UNKNOWN]))


def _attributes(*names: str) -> st.SearchStrategy[Field]:
    return st.builds(Field, st.just(Entity.ATTRIBUTE), st.sampled_from(names))


_functions = st.sampled_from([None, None, *(f for f in MetricFunction if f is not MetricFunction.COUNT)])
_text_fields = (
    _keyed(Entity.PARAM, PARAMS)
    | _keyed(Entity.TAG, TAGS)
    | _attributes("run_name", "user_id", "artifact_uri", "run_id")
    | st.builds(
        Field, st.sampled_from([Entity.DATASET, Entity.INPUT]), st.sampled_from(["name", "digest", "context"])
    )
)
_name_fields = _attributes("status", "lifecycle_stage")
_real_fields = st.builds(
    Field, st.just(Entity.METRIC), st.sampled_from([*METRICS, *METRICS, _UNKNOWN]), _functions
)
_whole_fields = _attributes("start_time", "end_time") | st.builds(
    Field, st.just(Entity.METRIC), st.sampled_from(METRICS), st.just(MetricFunction.COUNT)
)
_names = st.sampled_from(
    ["FINISHED", "finished", "RUNNING", "KILLED", "active", "deleted", "DELETED", "F%", "%D", "_"]
)


def _conditions() -> st.SearchStrategy[Node]:
    nodes: list[st.SearchStrategy[Node]] = [
        st.builds(IsNull, _text_fields | _name_fields | _real_fields | _whole_fields, st.booleans()),
        st.builds(IsNan, _real_fields, st.booleans()),
    ]
    for fields, values in ((_text_fields, _texts), (_name_fields, _names)):
        some = st.lists(values, min_size=1, max_size=5).map(tuple)
        patterns = _patterns if values is _texts else _names
        nodes += [
            st.builds(Comparison, fields, _MATCHED, patterns),
            st.builds(In, fields, some, st.booleans()),
        ]
    for numbers, drawn in ((_real_fields, _reals), (_whole_fields, _wholes)):
        nodes += [
            st.builds(Comparison, numbers, _COMPARED, drawn),
            st.builds(In, numbers, st.lists(drawn, min_size=1, max_size=5).map(tuple), st.booleans()),
            st.builds(Between, numbers, drawn, drawn, st.booleans()),
        ]
    return st.one_of(nodes)


def _combined(nodes: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    some = st.lists(nodes, min_size=2, max_size=3)
    return st.builds(Not, nodes) | some.map(lambda t: _joined(And, t)) | some.map(lambda t: _joined(Or, t))


def _joined(join: type[And] | type[Or], terms: list[Node]) -> Node:
    flat: list[Node] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, join) else (term,))
    return join(tuple(flat))


@st.composite
def _deep(draw: st.DrawFn) -> Node:
    """As deep as a filter may be: 20 levels."""
    node: Node = _joined(And, [draw(CONDITIONS), draw(CONDITIONS)])
    for level in range(19):
        if draw(st.booleans()) or isinstance(node, Not):
            node = (Or if level % 2 == 0 else And)((node, draw(CONDITIONS)))
            node = _joined(type(node), list(node.terms))
        else:
            node = Not(node)
    return node


CONDITIONS = _conditions()
FILTERS: st.SearchStrategy[Node | None] = (
    st.none() | st.recursive(CONDITIONS, _combined, max_leaves=6) | _deep()
)

_sortable = (
    _keyed(Entity.PARAM, PARAMS)
    | _keyed(Entity.TAG, TAGS)
    | _real_fields
    | _whole_fields
    | _attributes("run_name", "user_id", "artifact_uri", "run_id", "status", "lifecycle_stage")
)
ORDERS = st.lists(
    st.builds(OrderTerm, _sortable, st.booleans()), max_size=3, unique_by=lambda term: term.field
).map(tuple)
