"""The header Range, as RFC 9110 has it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runyard.server.artifacts.types import ByteRange, resolve_range
from runyard.server.kernel.errors import RangeNotSatisfiable

SIZE = 1000


@pytest.mark.parametrize(
    ("header", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-499", 0, 500),
        ("bytes=500-999", 500, 1000),
        ("bytes=500-", 500, 1000),
        ("bytes=0-", 0, 1000),
        ("bytes=999-", 999, 1000),
        ("bytes=999-999", 999, 1000),
        ("bytes=0-1000", 0, 1000),
        ("bytes=990-99999999999999999999999999", 990, 1000),
        ("bytes=-1", 999, 1000),
        ("bytes=-500", 500, 1000),
        ("bytes=-1000", 0, 1000),
        ("bytes=-5000", 0, 1000),
        ("bytes=-99999999999999999999999999", 0, 1000),
        ("bytes=" + "0" * 5000 + "7-8", 7, 9),
        ("Bytes=0-9", 0, 10),
        (" bytes = 0-9 ", 0, 10),
        ("bytes=,0-9,", 0, 10),
    ],
)
def test_a_single_range_is_cut_to_the_file(header: str, start: int, stop: int) -> None:
    span = resolve_range(header, SIZE)

    assert span == ByteRange(start, stop)
    assert span.length == stop - start


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=--1",
        "bytes=5-4",
        "bytes=a-b",
        "bytes=0x0-1",
        "bytes=1.5-2",
        "bytes=+1-2",
        "bytes= 1 - 2",
        "bytes=\u0661-\u0662",
        "bytes=0-1,5-6",
        "bytes=0-1 5-6",
        "items=0-1",
        "0-1",
        "bytes=0-1\n",
        "bytes=2000-1000",
    ],
)
def test_what_is_not_one_range_of_bytes_means_the_whole(header: str | None) -> None:
    assert resolve_range(header, SIZE) is None


@pytest.mark.parametrize(
    "header", ["bytes=1000-", "bytes=1000-1000", "bytes=5000-6000", "bytes=-0", "bytes=" + "9" * 5000 + "-"]
)
def test_a_range_outside_the_file_is_not_satisfiable(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        resolve_range(header, SIZE)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=5-", "bytes=-1", "bytes=-0", None])
def test_an_empty_file_is_always_sent_whole(header: str | None) -> None:
    assert resolve_range(header, 0) is None


@given(st.text() | st.from_regex(r"bytes=[0-9]{0,25}-[0-9]{0,25}"), st.integers(0, 2**40))
def test_any_header_gives_a_range_inside_the_file_or_none(header: str, size: int) -> None:
    try:
        span = resolve_range(header, size)
    except RangeNotSatisfiable:
        return

    assert span is None or 0 <= span.start < span.stop <= size


def test_content_range_counts_the_last_byte_in() -> None:
    assert ByteRange(0, 1).content_range(10) == "bytes 0-0/10"
    assert ByteRange(5, 10).content_range(10) == "bytes 5-9/10"
