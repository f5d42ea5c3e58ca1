"""Durability: the order of syncs, crashes, restarts, other processes on the same root."""

# ruff: noqa: ASYNC221, ASYNC240 - a test may block its event loop

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from runyard.server.artifacts.base import WRITE_BYTES
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.artifacts.paths import INTERNAL_SEGMENT, BlobPrefix
from runyard.server.artifacts.types import UploadPart, Written
from runyard.server.kernel.errors import NotFound
from tests.contract.artifacts.streams import chunks, get, path, put

pytestmark = pytest.mark.anyio

ROOT = BlobPrefix("")


class Calls:
    """Records in their order the calls that make a write durable."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self._root = root
        really_sync, really_replace = os.fsync, os.replace

        def fsync(fd: int) -> None:
            really_sync(fd)
            self.log.append(f"sync {self._name(fd)}")

        def replace(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            really_replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            self.log.append(f"rename to {self._name(dst_dir_fd)}/{target}")

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "replace", replace)

    def _name(self, fd: int) -> str:
        found = os.fstat(fd)
        for candidate in [self._root, *self._root.rglob("*")]:
            if (candidate.stat().st_dev, candidate.stat().st_ino) == (found.st_dev, found.st_ino):
                staged = INTERNAL_SEGMENT in candidate.parts and candidate.is_file()
                return "staged file" if staged else candidate.relative_to(self._root).as_posix()
        return "?"


async def test_a_write_syncs_the_file_then_renames_then_syncs_every_folder_that_changed(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "there/first")
    calls = Calls(root, monkeypatch)

    await put(store, "there/new/er/file")
    assert calls.log[:2] == ["sync staged file", "rename to there/new/er/file"]
    assert sorted(calls.log[2:]) == ["sync there", "sync there/new", "sync there/new/er"]

    calls.log.clear()
    await put(store, "there/first")
    assert calls.log == ["sync staged file", "rename to there/first", "sync there"]


async def test_a_delete_syncs_the_folder_that_is_left(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "run/a/b/file")
    await put(store, "run/c/file")
    await put(store, "run/stays")
    calls = Calls(root, monkeypatch)

    await store.delete(path("run/a/b/file"))
    await store.delete_prefix(path("run/c"))

    assert calls.log == ["sync run", "sync run"]


CRASHING = """
import asyncio, os, signal, sys
from pathlib import Path
from runyard.server.artifacts.base import WRITE_BYTES
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.artifacts.paths import parse_blob_path
from runyard.server.artifacts.types import UploadPart

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

async def chunks():
    for _ in range(40):
        yield b"new" * 30_000

async def main(root, moment):
    store = LocalBlobStore(Path(root))
    await store.start()
    upload = await store.create_upload(parse_blob_path("run/old"))
    etag = await store.write_part(parse_blob_path("run/old"), upload, 1, chunks())
    name, _, count = moment.partition(" ")
    really, calls = getattr(os, name), 0
    def counting(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == int(count):
            die()
        return really(*args, **kwargs)
    setattr(os, name, counting)
    await store.write(parse_blob_path("run/new/file"), chunks())
    await store.complete_upload(parse_blob_path("run/old"), upload, [UploadPart(1, etag)])

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("moment", "written", "completed"),
    [
        ("write 1", False, False),
        ("write 3", False, False),
        ("utime 1", False, False),
        ("fsync 1", False, False),
        ("replace 1", False, False),
        ("fsync 2", True, False),
        ("copy_file_range 1", True, False),
        ("utime 2", True, False),
        ("replace 2", True, False),
        ("unlink 1", True, True),
    ],
)
async def test_a_crash_leaves_the_whole_new_file_or_nothing(
    root: Path, moment: str, written: bool, completed: bool, staged_files: Callable[[], list[Path]]
) -> None:
    if not hasattr(os, moment.partition(" ")[0]):
        pytest.skip("this system copies in another way")
    async with LocalBlobStore(root) as store:
        await put(store, "run/old", b"old")
    new = b"new" * 30_000 * 40

    crashed = subprocess.run([sys.executable, "-c", CRASHING, str(root), moment], check=False)

    assert crashed.returncode == -signal.SIGKILL
    left = staged_files()
    async with LocalBlobStore(root) as store:
        assert staged_files() == []
        assert [info.path async for info in store.walk(ROOT)] == (
            ["run/new/file", "run/old"] if written else ["run/old"]
        )
        if written:
            assert await get(store, "run/new/file") == new
        assert await get(store, "run/old") == (new if completed else b"old")
    if moment == "replace 1":
        assert len(left) == 1, "nothing was staged, so this test shows nothing"


async def test_an_upload_survives_a_restart(root: Path) -> None:
    async with LocalBlobStore(root) as store:
        upload = await store.create_upload(path("run/file"))
        one = await store.write_part(path("run/file"), upload, 1, chunks(b"one"))

    async with LocalBlobStore(root) as store:
        two = await store.write_part(path("run/file"), upload, 2, chunks(b"two"))
        parts = [UploadPart(1, one), UploadPart(2, two)]
        written = await store.complete_upload(path("run/file"), upload, parts)

    async with LocalBlobStore(root) as store:
        assert await store.complete_upload(path("run/file"), upload, parts) == Written(written.info, 6)
        assert await get(store, "run/file") == b"onetwo"


async def test_a_start_leaves_alone_what_living_stores_write(
    store: LocalBlobStore, root: Path, staged_files: Callable[[], list[Path]]
) -> None:
    async def starting_another() -> AsyncIterator[bytes]:
        yield b"x" * WRITE_BYTES
        assert len(staged_files()) == 1
        async with LocalBlobStore(root) as other:
            await put(other, "run/of-the-other")
        yield b"end"

    await store.write(path("run/file"), starting_another())

    assert await get(store, "run/file") == b"x" * WRITE_BYTES + b"end"
    assert await get(store, "run/of-the-other") == b"content"


async def test_a_closed_store_leaves_no_staging_folder(root: Path) -> None:
    async with LocalBlobStore(root) as store:
        await put(store, "run/file")

    assert [found.name for found in (root / INTERNAL_SEGMENT / "staging").iterdir()] == ["lock"]


async def test_a_store_that_only_reads_writes_nothing(root: Path) -> None:
    (root / "run").mkdir(parents=True)
    (root / "run/file").write_bytes(b"x")

    async with LocalBlobStore(root) as store:
        await get(store, "run/file")
        await store.list(ROOT)
        with pytest.raises(NotFound):
            await store.delete(path("run/nothing"))

    assert [found.name for found in root.iterdir()] == ["run"]
