"""Any bytes make a request or an error that says what is wrong, whatever the request."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runyard.server.kernel.errors import InvalidArgument, MalformedRequest, RunyardError, TooLarge
from runyard.server.mlflow_api import (
    artifacts,
    datasets,
    experiments,
    logged_models,
    logging,
    metrics,
    runs,
    wire,
)
from runyard.server.web.bodies import decoder_of, query_reader_of

MODULES = (artifacts, datasets, experiments, logged_models, logging, metrics, runs, wire)
STRUCTS = sorted(
    {
        found
        for module in MODULES
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, wire.Request) and found is not wire.Request
    },
    key=lambda struct: (struct.__module__, struct.__name__),
)
BOUNDED = settings(max_examples=40, deadline=None, derandomize=True, database=None)

texts = st.text(max_size=20) | st.sampled_from(["", "NaN", "-Infinity", "1e3", "9" * 400, "\x00", "\ud800"])
numbers = st.integers() | st.floats() | st.integers(-(2**64), 2**64) | st.just(10**400)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


def requests(struct: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with fields of the struct, whose values are of any type, or shaped as the field's is."""
    return st.fixed_dictionaries(
        {},
        optional={
            field.encode_name: values | _shaped(field.type) for field in msgspec.structs.fields(struct)
        },
    )


def _shaped(kind: Any) -> st.SearchStrategy[Any]:
    """A list of objects where a field takes one, so that what is inside is reached too."""
    for option in getattr(kind, "__args__", (kind,)):
        if getattr(option, "__origin__", None) is list:
            (item,) = option.__args__
            if isinstance(item, type) and issubclass(item, msgspec.Struct):
                return st.lists(requests(item), min_size=1, max_size=2)
        if isinstance(option, type) and issubclass(option, msgspec.Struct):
            return requests(option)
    return scalars


def read(struct: type[msgspec.Struct], body: bytes) -> msgspec.Struct | None:
    """The request; None where it is refused, with a reason that a caller can use."""
    found: Any
    try:
        found = decoder_of(struct)(body)
    except (InvalidArgument, MalformedRequest) as error:
        found = error
    if isinstance(found, RunyardError):
        assert 10 < len(found.message) < 1000
        assert "msgspec" not in found.message
        return None
    assert type(found) is struct
    return found


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_any_json_makes_a_request_or_an_error(struct: type[msgspec.Struct]) -> None:
    @BOUNDED
    @given(values | requests(struct))
    @example({})
    @example(None)
    @example(float("nan"))
    def check(value: Any) -> None:
        found = read(struct, json.dumps(value).encode())
        # Then: what both databases can't store never gets through
        if found is not None:
            _assert_storable(msgspec.to_builtins(found))

    check()


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_any_bytes_make_a_request_or_an_error(struct: type[msgspec.Struct]) -> None:
    @BOUNDED
    @given(requests(struct).map(lambda value: json.dumps(value).encode()), st.data())
    def check(body: bytes, data: st.DataObject) -> None:
        start = data.draw(st.integers(0, len(body)))
        stop = data.draw(st.integers(start, len(body)))
        read(struct, body[:start] + data.draw(st.binary(max_size=8)) + body[stop:])

    check()


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_any_query_makes_a_request_or_an_error(struct: type[msgspec.Struct]) -> None:
    names = st.sampled_from([field.encode_name for field in msgspec.structs.fields(struct)]) | texts
    fields = st.lists(st.tuples(names, texts | numbers.map(str)), max_size=5)

    @BOUNDED
    @given(
        fields.map(lambda pairs: urlencode(pairs, errors="surrogatepass").encode()) | st.binary(max_size=30)
    )
    def check(query: bytes) -> None:
        try:
            found = query_reader_of(struct)({"query_string": query})
        except (InvalidArgument, MalformedRequest, TooLarge):
            return
        _assert_storable(msgspec.to_builtins(found))

    check()


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_what_is_absent_null_or_unknown_makes_no_difference(struct: type[msgspec.Struct]) -> None:
    # Given
    fields = [field.encode_name for field in msgspec.structs.fields(struct)]
    empty = decoder_of(struct)(b"{}")
    # Then
    assert decoder_of(struct)(json.dumps(dict.fromkeys(fields)).encode()) == empty
    assert decoder_of(struct)(b'{"unknown": [{"of": "any kind"}], "": 1}') == empty
    assert all(getattr(empty, name) is None for name in fields)


def _assert_storable(value: Any) -> None:
    if isinstance(value, str):
        value.encode()
        assert "\x00" not in value
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63
    elif isinstance(value, list):
        for item in value:
            _assert_storable(item)
    elif isinstance(value, dict):
        for item in value.values():
            _assert_storable(item)
