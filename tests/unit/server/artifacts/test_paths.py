"""Blob paths: what is legal, and that nothing that is gets out of the root."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runyard.server.artifacts.paths import (
    INTERNAL_SEGMENT,
    MAX_SEGMENT_BYTES,
    MAX_SEGMENTS,
    is_segment,
    join,
    parse_blob_path,
    parse_blob_prefix,
)
from runyard.server.kernel.errors import InvalidArgument


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "default/12/ab34/artifacts/model/MLmodel",
        "100%",
        "100%.txt",
        "%",
        "%zz",
        "acc%20score.png",
        "caf%C3%A9",
        "%ff.bin",
        "seen%step%10%timestamp%1795259325184%u02ae8e4.png",
        "...",
        "a..b",
        "..a/b..",
        ".hidden",
        "a:b",
        "c:file",
        "ü/日本/🎉",
        "\u2025/\uff0e\uff0e",
        " ",
        "~/x",
        f"a/{INTERNAL_SEGMENT}",
        f"{INTERNAL_SEGMENT}x",
        "x" * MAX_SEGMENT_BYTES,
        "/".join(["x"] * MAX_SEGMENTS),
        "/".join(["x" * 249] * 20),
    ],
)
def test_legal_paths_stay_as_they_are(text: str) -> None:
    assert parse_blob_path(text) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("/", "absolute"),
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("a//b", "empty segment"),
        ("a/", "empty segment"),
        (".", "'.'"),
        ("./a", "'.'"),
        ("a/./b", "'.'"),
        ("a/.", "'.'"),
        ("..", "'..'"),
        ("../a", "'..'"),
        ("a/../b", "'..'"),
        ("a/..", "'..'"),
        ("a\\b", "backslash"),
        ("..\\a", "backslash"),
        ("\\\\host\\share", "backslash"),
        ("C:", "drive letter"),
        ("C:/Windows", "drive letter"),
        ("a/c:/b", "drive letter"),
        ("a\0b", "U+0000"),
        ("a\nb", "U+000A"),
        ("a\x7f", "U+007F"),
        ("a\x85b", "U+0085"),
        ("a\ud800", "Unicode"),
        ("%2e%2e/a", "'..'"),
        ("%2E./a", "'..'"),
        ("a/%2e%2e%2fb", "'..'"),
        ("a%2f..%2fb", "'..'"),
        ("%252e%252e/a", "'..'"),
        ("%25252e%25252e%25252fa", "'..'"),
        ("%2fetc/passwd", "absolute"),
        ("a%2f%2fb", "empty segment"),
        ("a%5cb", "backslash"),
        ("a%255cb", "backslash"),
        ("C%3a/x", "drive letter"),
        ("a%00b", "U+0000"),
        ("a%0d%0ab", "U+000D"),
        ("%" + "25" * 20 + "2e", "too many times"),
        (INTERNAL_SEGMENT, "reserved"),
        (f"{INTERNAL_SEGMENT}/staging/x", "reserved"),
        (f"{INTERNAL_SEGMENT.upper()}/x", "reserved"),
        (f"{quote(INTERNAL_SEGMENT).replace('-', '%2d')}/x", "reserved"),
        ("x" * (MAX_SEGMENT_BYTES + 1), "256 bytes"),
        ("ü" * 128, "256 bytes"),
        ("/".join(["x"] * (MAX_SEGMENTS + 1)), "129 segments"),
        ("/".join(["x" * 250] * 20), "5019 characters"),
    ],
)
def test_everything_else_is_refused_and_says_why(text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse_blob_path(text)

    assert reason in refusal.value.message
    assert refusal.value.field == "path"


def test_a_long_path_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        parse_blob_path("x" * 1_000_000)

    assert len(refusal.value.message) < 400


@pytest.mark.parametrize(("text", "prefix"), [("", ""), ("a", "a"), ("a/", "a"), ("a/b/", "a/b")])
def test_prefixes_may_be_empty_and_end_with_one_slash(text: str, prefix: str) -> None:
    assert parse_blob_prefix(text) == prefix


@pytest.mark.parametrize("text", ["/", "//", "a//", "/a", "..", "../", "a/../", ".", "%2e%2e/"])
def test_other_prefixes_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_blob_prefix(text)


def test_joining_checks_the_whole() -> None:
    folder = parse_blob_prefix("run/artifacts")

    assert join(folder, "model/MLmodel") == "run/artifacts/model/MLmodel"
    assert join(parse_blob_prefix(""), "file") == "file"
    for name in ("..", "../other", "/etc/passwd", "", "a/../../../b"):
        with pytest.raises(InvalidArgument):
            join(folder, name)


HOSTILE = st.lists(
    st.sampled_from(
        [
            "..",
            ".",
            "/",
            "//",
            "\\",
            "%2e",
            "%2E",
            "%2f",
            "%5c",
            "%25",
            "%00",
            "\0",
            "C:",
            "a",
            "ü",
            " ",
            "%",
            "~",
        ]
    ),
    max_size=12,
).map("".join)


@given(HOSTILE | st.text())
@example("%252e%252e%252f%252e%252e%252fetc%252fpasswd")
@example("a/%2e./b")
def test_no_accepted_path_leaves_the_root_however_often_it_is_decoded(text: str) -> None:
    root = "/srv/store"
    try:
        path = str(parse_blob_path(text))
    except InvalidArgument:
        return

    for _ in range(12):
        assert posixpath.normpath(posixpath.join(root, path)) == f"{root}/{path}"
        assert PurePosixPath(path).parts == tuple(path.split("/"))
        windows = PureWindowsPath(path)
        assert not windows.is_absolute()
        assert ".." not in windows.parts
        path = unquote(path)
    path.encode()


@given(HOSTILE, st.sampled_from(["..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%25252e."]), HOSTILE)
def test_every_spelling_of_a_step_upwards_is_refused(before: str, up: str, after: str) -> None:
    for left in ("/", "%2f", "%252F", "\\", "%5C"):
        for right in ("/", "%2F", "%5c"):
            with pytest.raises(InvalidArgument):
                parse_blob_path(f"{before}{left}{up}{right}{after}")


@given(st.text() | HOSTILE)
def test_whatever_a_path_may_hold_a_listing_shows(text: str) -> None:
    try:
        path = parse_blob_path(f"folder/{text}")
    except InvalidArgument:
        return

    assert all(is_segment(segment) for segment in path.split("/"))


@pytest.mark.parametrize("name", ["", ".", "..", "a\\b", "a\nb", "C:", "\udcff", "a/b"])
def test_names_that_no_path_may_hold_are_no_segments(name: str) -> None:
    assert not is_segment(name)
