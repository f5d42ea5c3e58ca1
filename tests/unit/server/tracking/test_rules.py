"""Folders of names."""

from __future__ import annotations

import pytest

from runyard.server.auth.types import ancestors
from runyard.server.kernel.errors import InvalidArgument
from runyard.server.tracking.rules import beginning, check_move, folder, folder_in

CHILDREN = {
    ("/", "/Shared/a/x"): "/Shared",
    ("/", "Shared/a/x"): "Shared",
    ("/", "/x"): None,
    ("/", "x"): None,
    ("/", "//x"): None,
    ("/", "//x/y"): "//x",
    ("/Shared", "/Shared/a/x"): "/Shared/a",
    ("/Shared", "/Shared/x"): None,
    ("/Shared", "/Shared//x"): None,
    ("/Shared", "/Shared//a/x"): "/Shared//a",
    ("plain", "plain/"): None,
    ("plain", "plain/x/"): "plain/x",
    ("plain/x", "plain/x/"): None,
}


@pytest.mark.parametrize(("at", "wanted"), CHILDREN.items())
def test_the_folder_right_below(at: tuple[str, str], wanted: str | None) -> None:
    path, name = at
    start = beginning(path)
    assert name.startswith(start)
    assert folder_in(start, name) == wanted
    # What is a folder here is one for the rules, and one that lies in the other
    if wanted is not None:
        assert wanted in ancestors(name)
        assert path in ancestors(wanted)[1:]
        assert folder(wanted) == wanted


@pytest.mark.parametrize(
    ("path", "to", "field"),
    [
        ("/", "/a", "path"),
        ("/a", "/", "to"),
        ("/a", "/a", "to"),
        ("/a", "/a/b", "to"),
        ("a", "a/b/c", "to"),
        ("/a", "/b\x1b", "to"),
    ],
)
def test_where_a_folder_can_not_move(path: str, to: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_move(path, to)
    assert refused.value.field == field


def test_where_a_folder_can_move() -> None:
    for path, to in (("/a", "/ab"), ("/a/b", "/a"), ("/a", "a"), ("a", "/a/b")):
        check_move(path, to)
