"""Links and other strange things below the root: nothing leads out of it."""

# ruff: noqa: ASYNC240 - a test may block its event loop

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from runyard.server.artifacts import disk
from runyard.server.artifacts.base import WRITE_BYTES
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.artifacts.paths import INTERNAL_SEGMENT, BlobPrefix
from runyard.server.artifacts.types import Usage
from runyard.server.kernel.errors import InvalidArgument, NotFound
from tests.contract.artifacts.streams import chunks, get, path, put

pytestmark = pytest.mark.anyio

ROOT = BlobPrefix("")
SECRET = b"outside the store"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_bytes(SECRET)
    return folder


@pytest.fixture
def traps(root: Path, outside: Path) -> Path:
    """A root with links that lead out of it, and one that stays inside."""
    (root / "run/real").mkdir(parents=True)
    (root / "run/real/file").write_bytes(b"inside")
    (root / "run/folder").symlink_to(outside)
    (root / "run/up").symlink_to("../../../outside")
    (root / "run/file").symlink_to(outside / "secret.txt")
    (root / "run/dangling").symlink_to(outside / "new.txt")
    (root / "run/inside").symlink_to("real")
    (root / "run/loop").symlink_to("loop")
    return root


LINKED = [
    "run/folder/secret.txt",
    "run/up/secret.txt",
    "run/file",
    "run/folder",
    "run/dangling",
    "run/inside/file",
    "run/loop",
    "run/loop/file",
]


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize("text", LINKED)
async def test_no_link_is_read_deleted_or_counted(store: LocalBlobStore, outside: Path, text: str) -> None:
    with pytest.raises(NotFound):
        await store.open(path(text))
    with pytest.raises(NotFound):
        await store.stat(path(text))
    with pytest.raises(NotFound):
        await store.delete(path(text))
    assert await store.list(path(text)) == []
    assert [info async for info in store.walk(path(text))] == []
    assert await store.usage(path(text)) == Usage(0, 0)
    assert (outside / "secret.txt").read_bytes() == SECRET


@pytest.mark.usefixtures("traps")
@pytest.mark.parametrize("text", [*LINKED, "run/folder/new.txt", "run/folder/new/er.txt", "run/dangling/x"])
async def test_nothing_is_written_through_or_over_a_link(
    store: LocalBlobStore, root: Path, outside: Path, text: str
) -> None:
    with pytest.raises(InvalidArgument):
        await put(store, text)
    with pytest.raises(InvalidArgument):
        await store.create_upload(path(text))

    assert [found.name for found in outside.iterdir()] == ["secret.txt"]
    assert (outside / "secret.txt").read_bytes() == SECRET
    assert (root / "run/real/file").read_bytes() == b"inside"
    assert (root / "run/file").is_symlink()


@pytest.mark.usefixtures("traps")
async def test_listings_leave_links_out(store: LocalBlobStore) -> None:
    assert [entry.name for entry in await store.list(path("run"))] == ["real"]
    assert [info.path async for info in store.walk(ROOT)] == ["run/real/file"]
    assert await store.usage(ROOT) == Usage(1, 6)


@pytest.mark.parametrize("text", ["run", "run/folder", "run/up", "run/file"])
async def test_deleting_a_prefix_deletes_links_and_not_their_targets(
    store: LocalBlobStore, traps: Path, outside: Path, text: str
) -> None:
    await store.delete_prefix(path(text))

    assert not (traps / text).is_symlink()
    assert not (traps / text).exists()
    assert (outside / "secret.txt").read_bytes() == SECRET


@pytest.mark.parametrize("text", ["run/new/evil.txt", "run/new"])
async def test_a_link_planted_during_the_upload_is_neither_followed_nor_replaced(
    store: LocalBlobStore, root: Path, outside: Path, text: str
) -> None:
    async def planting() -> AsyncIterator[bytes]:
        yield b"x" * (2 * WRITE_BYTES)
        (root / "run").mkdir()
        (root / "run/new").symlink_to(outside)
        yield b"end"

    with pytest.raises(InvalidArgument):
        await store.write(path(text), planting())

    assert [found.name for found in outside.iterdir()] == ["secret.txt"]
    assert (root / "run/new").is_symlink()


async def test_a_folder_swapped_for_a_link_while_it_is_entered_is_not_followed(
    store: LocalBlobStore, root: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (outside / "deep").mkdir()
    (outside / "deep/file").write_bytes(SECRET)
    await put(store, "a/deep/file")
    really_open = os.open

    def swapping(name: str, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        fd = really_open(name, flags, mode, dir_fd=dir_fd)
        if name == "a":  # the folder is open by now, and becomes a link before the next step
            (root / "a").rename(root / "moved")
            (root / "a").symlink_to(outside)
        return fd

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", swapping)
        assert await get(store, "a/deep/file") == b"content"

    with pytest.raises(NotFound):
        await get(store, "a/deep/file")


async def test_pipes_and_sockets_are_no_blobs_and_do_not_block(store: LocalBlobStore, root: Path) -> None:
    (root / "run").mkdir()
    os.mkfifo(root / "run/pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        here = Path.cwd()
        os.chdir(root / "run")  # an address of a socket has room for 107 characters only
        try:
            unix.bind("socket")
        finally:
            os.chdir(here)

        for name in ("run/pipe", "run/socket"):
            with pytest.raises(NotFound):
                await store.open(path(name))
            with pytest.raises(InvalidArgument):
                await put(store, name)
        assert await store.list(path("run")) == []


async def test_names_that_no_path_may_hold_do_not_show(store: LocalBlobStore, root: Path) -> None:
    (root / "run").mkdir()
    for name in ("back\\slash", "new\nline", "C:", os.fsdecode(b"not-utf8-\xff")):
        with suppress(OSError):  # some systems take only UTF-8
            (root / "run" / name).write_bytes(b"x")
    await put(store, "run/fine")

    assert [entry.name for entry in await store.list(path("run"))] == ["fine"]
    assert [info.path async for info in store.walk(ROOT)] == ["run/fine"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b"])
def test_even_an_unchecked_path_cannot_climb(root: Path, name: str) -> None:
    root.mkdir(parents=True)
    fd = os.open(root, os.O_RDONLY)
    try:
        with pytest.raises(ValueError, match="not the name of an entry"):
            disk.Folder(fd, [name])
        with pytest.raises(ValueError, match="not the name of an entry"):
            disk.open_file(fd, name)
    finally:
        os.close(fd)


async def test_the_stores_own_files_do_not_show(store: LocalBlobStore, root: Path) -> None:
    upload = await store.create_upload(path("run/file"))
    await store.write_part(path("run/file"), upload, 1, chunks(b"part"))
    await put(store, "run/other")
    assert (root / INTERNAL_SEGMENT).is_dir()

    assert [entry.name for entry in await store.list(ROOT)] == ["run"]
    assert [info.path async for info in store.walk(ROOT)] == ["run/other"]
    assert await store.usage(ROOT) == Usage(1, 7)


def test_many_names_are_sorted_like_few() -> None:
    names = [str(n * 7919 % 10_007) for n in range(10_007)]

    assert list(disk.in_order(names)) == sorted(names)
    assert list(disk.in_order([])) == []
