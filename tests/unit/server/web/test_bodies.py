from __future__ import annotations

import asyncio
from math import isinf, isnan
from typing import Any

import msgspec
import pytest
from starlette.types import Message

from runyard.server.kernel.errors import (
    InvalidArgument,
    MalformedRequest,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from runyard.server.web import bodies
from runyard.server.web.bodies import BodyReader, decoder_of, parse_query, query_reader_of
from tests.unit.server.web.asgi import JSON, Exchange, Headers, request


class Point(msgspec.Struct):
    key: str | None = None
    value: float | None = None


class Batch(msgspec.Struct):
    name: str | None = None
    points: list[Point] | None = None


def _read(reader: BodyReader, *chunks: bytes, headers: Headers = JSON) -> bytes:
    exchange = Exchange(request("POST", "/a", headers=headers), list(chunks))
    return asyncio.run(reader.read(exchange.scope, exchange.receive))


def test_a_body_comes_whole_or_in_pieces() -> None:
    reader = BodyReader(100)
    assert _read(reader, b"{}") == b"{}"
    assert _read(reader, b'{"a"', b": 1", b"}") == b'{"a": 1}'
    assert _read(reader) == b""


def test_a_body_announced_too_large_is_refused_unread() -> None:
    exchange = Exchange(request("POST", "/a", headers=[*JSON, (b"content-length", b"101")]), [b"x"])
    with pytest.raises(TooLarge, match="100 bytes"):
        asyncio.run(BodyReader(100).read(exchange.scope, exchange.receive))
    assert exchange.received == 0


@pytest.mark.parametrize("chunks", [[b"x" * 101], [b"x" * 60, b"x" * 60, b"x" * 60]])
def test_a_body_without_length_is_refused_once_it_is_too_large(chunks: list[bytes]) -> None:
    with pytest.raises(TooLarge):
        _read(BodyReader(100), *chunks)


def test_large_bodies_share_a_budget() -> None:
    # Given two bodies of 70 bytes that arrive at the same time, and room for 100
    reader = BodyReader(80, max_together=100)

    async def read() -> bytes:
        exchange = Exchange(request("POST", "/a", headers=JSON), [b"x" * 30, b"x" * 30, b"x" * 10])

        async def receive() -> Message:
            await asyncio.sleep(0)  # the other one's turn
            return await exchange.receive()

        return await reader.read(exchange.scope, receive)

    async def read_both() -> list[Any]:
        return list(await asyncio.gather(read(), read(), return_exceptions=True))

    # When
    outcomes = asyncio.run(read_both())
    # Then one is asked to come again, and its share is given back
    assert {type(outcome) for outcome in outcomes} == {Unavailable, bytes}
    assert _read(reader, b"x" * 40, b"x" * 40) == b"x" * 80


def test_the_budget_is_given_back_by_those_that_fail() -> None:
    reader = BodyReader(100, max_together=100)
    for _ in range(3):
        with pytest.raises(TooLarge):
            _read(reader, b"x" * 99, b"x" * 99)
    assert len(_read(reader, b"x" * 50, b"x" * 50)) == 100


@pytest.mark.parametrize(
    "kind",
    [
        b"application/json",
        b"application/json; charset=utf-8",
        b"application/json;charset=UTF-8",
        b'Application/JSON ; charset="utf-8"',
        b"application/json; profile=x",
    ],
)
def test_json_is_taken(kind: bytes) -> None:
    assert _read(BodyReader(100), b"{}", headers=[(b"content-type", kind)]) == b"{}"


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain",
        b"application/jsonp",
        b"application/x-www-form-urlencoded",
        b"application/json; charset=latin-1",
        b"",
    ],
)
def test_other_types_are_refused(kind: bytes) -> None:
    with pytest.raises(UnsupportedMediaType):
        _read(BodyReader(100), b"{}", headers=[(b"content-type", kind)])


def test_a_body_without_type_is_refused() -> None:
    with pytest.raises(UnsupportedMediaType, match="application/json"):
        _read(BodyReader(100), b"{}", headers=[])


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"{", "truncated"),
        (b"\xff", "malformed"),
        (b'{"name": "\xff"}', "UTF-8"),
        (b'{"other": ' + b"[" * 100_000, "deeply"),
        (b'{"other": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "deeply"),
        (b"\xef\xbb\xbf{}", "malformed"),
        (b"{} {}", "trailing"),
        (b'{"name": NaN', "delimiter"),
        (b'{"points": [{"value": NaN}], "other": ' + b"[" * 100_000, "deeply"),
    ],
)
def test_what_is_no_json_is_refused(body: bytes, part: str) -> None:
    with pytest.raises(MalformedRequest, match=part):
        decoder_of(Batch)(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"name": 1}', "name"),
        (b'{"points": [{"key": "a"}, {"value": "x"}]}', "points[1].value"),
        (b'{"points": [{"value": NaN}, {"value": []}]}', "points[1].value"),
        (b'{"points": [{"value": 1e999}]}', "points[0].value"),
        (b'{"name": "a\\u0000b"}', "name"),
        (b'{"points": [{}, {"key": "\\u0000"}]}', "points[1].key"),
    ],
)
def test_a_wrong_value_is_named(body: bytes, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        decoder_of(Batch)(body)
    assert caught.value.field == field
    assert field in caught.value.message


def test_only_real_nul_characters_are_refused() -> None:
    assert decoder_of(Batch)(b'{"name": "C:\\\\u0000"}').name == "C:\\u0000"


def test_nan_and_infinity_may_be_texts_or_bare() -> None:
    texts = decoder_of(Batch)(b'{"points": [{"value": "NaN"}, {"value": "-Infinity"}]}').points
    bare = decoder_of(Batch)(b'{"points": [{"value": NaN}, {"value": -Infinity}]}').points
    for nan, infinity in (texts, bare):
        assert isnan(nan.value)
        assert isinf(infinity.value)


def test_numbers_may_be_texts() -> None:
    assert decoder_of(Point)(b'{"value": "0.5"}').value == 0.5


@pytest.mark.parametrize("query", [b"key=%ff", b"key=\xff", b"key=%00"])
def test_a_query_that_is_no_text_is_refused(query: bytes) -> None:
    with pytest.raises(MalformedRequest, match="query"):
        parse_query(request("GET", "/a", query=query))


def test_an_overlong_query_is_refused() -> None:
    with pytest.raises(TooLarge, match="65,536"):
        parse_query(request("GET", "/a", query=b"key=" + b"x" * bodies.MAX_QUERY))


def test_too_many_values_are_refused() -> None:
    with pytest.raises(TooLarge, match="10,000"):
        parse_query(request("GET", "/a", query=b"&".join([b"a=1"] * (bodies.MAX_QUERY_FIELDS + 1))))


def test_empty_values_stay() -> None:
    assert parse_query(request("GET", "/a", query=b"a=&b=%C3%A4+x")) == {"a": [""], "b": ["ä x"]}


def test_of_a_value_given_twice_the_last_counts_unless_it_is_a_list() -> None:
    class Filter(msgspec.Struct):
        limit: int | None = None
        ids: list[str] | None = None

    found = query_reader_of(Filter)(request("GET", "/a", query=b"limit=1&limit=2&ids=a&ids=b"))
    assert (found.limit, found.ids) == (2, ["a", "b"])


def test_a_wrong_value_in_a_query_is_named() -> None:
    with pytest.raises(InvalidArgument) as caught:
        query_reader_of(Point)(request("GET", "/a", query=b"value=x"))
    assert caught.value.field == "value"
