"""Names, and what custom roles may hold."""

from __future__ import annotations

import pytest

from runyard.server.auth import names
from runyard.server.auth.rules import check_patterns
from runyard.server.kernel.errors import InvalidArgument


@pytest.mark.parametrize(
    ("path", "stored"),
    [("/", "/"), ("//", "/"), ("/a/", "/a"), ("/a/b", "/a/b"), ("a", "a"), ("a/", "a"), ("/a b", "/a b")],
)
def test_folders_as_rules_hold_them(path: str, stored: str) -> None:
    assert names.folder(path) == stored


@pytest.mark.parametrize("path", ["", " ", "a\nb", "/" + "x" * 500])
def test_what_is_no_folder(path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        names.folder(path)
    assert caught.value.field == "path"


@pytest.mark.parametrize("pattern", ["*", "*/read", "experiments/*", "COMPUTE/start", "compute/*", "*e*p*r*"])
def test_patterns_that_stand_for_something(pattern: str) -> None:
    check_patterns([pattern], "actions")


@pytest.mark.parametrize(
    "pattern",
    ["", "experiment/*", "server/*", "server/users/read", "public", "signedIn", "compute", "*" * 40, "a.*"],
)
def test_patterns_that_stand_for_nothing(pattern: str) -> None:
    with pytest.raises(InvalidArgument):
        check_patterns([pattern], "actions")
