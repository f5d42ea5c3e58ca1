"""Downloads: whole or not at all, taken up where they broke, never outside of the folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from runyard.client import artifacts
from runyard.client.errors import NotFound, NotRunyard, NotWritten, Unreachable
from runyard.client.http import Http

CONTENT = bytes(range(256)) * 400


class Broken(httpx.SyncByteStream):
    """A body whose connection breaks after some bytes."""

    def __init__(self, content: bytes, after: int) -> None:
        self._content = content
        self._after = after

    def __iter__(self) -> Iterator[bytes]:
        yield self._content[: self._after]
        if self._after < len(self._content):
            raise httpx.ReadError("cut off")


class FileServer:
    """Serves one file; each connection breaks after some bytes."""

    def __init__(self, *after: int, replaced: bool = False) -> None:
        self.after = list(after)
        self.ranges: list[str | None] = []
        self.replaced = replaced

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = request.headers.get("range")
        self.ranges.append(asked)
        start = 0
        if asked and not (self.replaced and request.headers["if-range"] == '"1"'):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        body = CONTENT[start:]
        after = self.after.pop(0) if self.after else len(body)
        return httpx.Response(206 if start else 200, headers={"etag": '"1"'}, stream=Broken(body, after))


def _get(server: FileServer, target: Path) -> list[int]:
    told: list[int] = []
    transport = httpx.MockTransport(server)
    with Http("http://ml.example.org", transport=transport, pause=lambda _: None) as http:
        artifacts.download(http, "r", "model/weights.bin", target, told.append)
    return told


@pytest.mark.parametrize(
    ("server", "ranges"),
    [
        (FileServer(), [None]),
        (FileServer(1000, 500), [None, "bytes=1000-", "bytes=1500-"]),
        (FileServer(0, 1000), [None, None, "bytes=1000-"]),
        (FileServer(1000, replaced=True), [None, "bytes=1000-"]),
    ],
    ids=["at once", "in three", "nothing at first", "replaced meanwhile"],
)
def test_a_broken_connection_is_taken_up_where_it_broke(
    tmp_path: Path, server: FileServer, ranges: list[str | None]
) -> None:
    target = tmp_path / "model" / "weights.bin"
    told = _get(server, target)
    assert target.read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert server.ranges == ranges
    assert list(target.parent.iterdir()) == [target]


def test_what_never_comes_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        _get(FileServer(10, *[0] * 9), tmp_path / "weights.bin")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "weights.bin"
    target.write_text("old")
    with pytest.raises(Unreachable):
        _get(FileServer(10, *[0] * 9), target)
    assert target.read_text() == "old"


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritten, match="can't be written"):
        _get(FileServer(), tmp_path / "file" / "weights.bin")


@pytest.mark.parametrize("path", ["a.txt", "a/b.txt", "a b/ä.txt", "..a/b..", ".hidden"])
def test_a_file_goes_below_the_folder(tmp_path: Path, path: str) -> None:
    assert artifacts.target_of(tmp_path, path) == tmp_path / path


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a/..", "a\0b", "//x"])
def test_no_server_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    with pytest.raises(NotRunyard, match="nothing of it is written"):
        artifacts.target_of(tmp_path, path)


FILES = {
    None: [{"path": "a", "is_dir": True}, {"path": "top.txt", "is_dir": False, "file_size": 1}],
    "a": [{"path": "a/b", "is_dir": True}],
    "a/b": [{"path": "a/b/c.txt", "is_dir": False, "file_size": 2}],
}


def _list(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"files": FILES.get(request.url.params.get("path"), [])})


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", ["a/b/c.txt", "top.txt"]),
        ("a", ["a/b/c.txt"]),
        ("top.txt", ["top.txt"]),
        ("a/b/c.txt", ["a/b/c.txt"]),
    ],
)
def test_a_path_is_a_file_or_a_folder(path: str, found: list[str]) -> None:
    with Http("http://ml.example.org", transport=httpx.MockTransport(_list)) as http:
        assert [file.path for file in artifacts.walk(http, "r", path)] == found


def test_a_path_with_nothing_is_told() -> None:
    transport = httpx.MockTransport(_list)
    with (
        Http("http://ml.example.org", transport=transport) as http,
        pytest.raises(NotFound, match="nothing at 'x'"),
    ):
        list(artifacts.walk(http, "r", "x"))
