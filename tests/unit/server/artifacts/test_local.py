"""What only the local store has to get right: failing disks, threads, memory."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from runyard.server.artifacts import local_files
from runyard.server.artifacts.base import READ_BYTES, WRITE_BYTES
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.artifacts.local_uploads import LocalUploads
from runyard.server.artifacts.paths import BlobPath, BlobPrefix
from runyard.server.artifacts.staging import StagedFile
from runyard.server.artifacts.types import UploadId, UploadPart, Written
from runyard.server.kernel.errors import Conflict, InvalidArgument, NotFound, StorageFull, Unavailable
from tests.contract.artifacts.streams import chunks, get, path, put

pytestmark = pytest.mark.anyio

ROOT = BlobPrefix("")
PATIENCE = 30.0


def open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_blobs_are_plain_files_and_the_store_takes_what_is_there(root: Path) -> None:
    (root / "run").mkdir(parents=True)
    (root / "run/from-before.txt").write_bytes(b"hello")

    async with LocalBlobStore(root) as store:
        await put(store, "run/model/MLmodel", b"new")
        assert await get(store, "run/from-before.txt") == b"hello"

    assert (root / "run/model/MLmodel").read_bytes() == b"new"


async def test_only_its_owner_may_read_whatever_the_umask(store: LocalBlobStore, root: Path) -> None:
    before = os.umask(0)
    try:
        await put(store, "run/file")
    finally:
        os.umask(before)

    assert (root / "run/file").stat().st_mode & 0o777 == 0o600
    assert (root / "run").stat().st_mode & 0o777 == 0o700


async def test_versions_of_one_millisecond_differ_by_more_than_the_inode(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_files, "now_ms", lambda: 1_700_000_000_000)

    infos = [(await store.write(path("file"), chunks(b"same size"))).info for _ in range(20)]

    # A file system may give a new file the inode of the one that it just replaced.
    assert len({info.etag.rsplit("-", 1)[0] for info in infos}) == 20
    assert {info.modified_ms for info in infos} == {1_700_000_000_000}


async def test_no_descriptor_stays_open(store: LocalBlobStore) -> None:
    await put(store, "warm/up")
    before = open_descriptors()

    for n in range(5):
        await put(store, f"a/b/{n}", b"x" * (WRITE_BYTES + 1))
        assert len(await get(store, f"a/b/{n}")) == WRITE_BYTES + 1
        async for _ in store.walk(ROOT):
            break
        with pytest.raises(NotFound):
            await store.stat(path("a/b/c/d"))
        with pytest.raises(InvalidArgument):
            await put(store, f"a/b/{n}/below")
        reader = await store.open(path(f"a/b/{n}"))
        del reader
    await store.list(path("a/b"))
    await store.delete_prefix(path("a"))

    assert open_descriptors() == before


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["write", "fsync", "mkdir", "replace"])
async def test_a_full_disk_leaves_nothing_and_the_store_recovers(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, staged_files: Callable[[], list[Path]]
) -> None:
    def fail(*_args: object, **_kwargs: object) -> int:
        raise OSError(code, os.strerror(code))

    async with LocalBlobStore(root, max_bytes=10 * WRITE_BYTES) as store:
        await put(store, "run/old", b"old")
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(StorageFull):
                await put(store, "run/deep/er/file", b"x" * (2 * WRITE_BYTES))
            assert await get(store, "run/old") == b"old"

        assert [entry.name for entry in await store.list(path("run"))] == ["old"]
        assert staged_files() == []
        await put(store, "run/deep/er/file", b"x" * (10 * WRITE_BYTES - 3))


async def test_a_disk_that_gets_full_between_two_folders_keeps_neither(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "run/old")
    really_mkdir, names = os.mkdir, []

    def fail_at_second(name: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        names.append(name)
        if len(names) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        really_mkdir(name, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", fail_at_second)
    with pytest.raises(StorageFull):
        await put(store, "run/deep/er/file")

    assert names == ["deep", "er"]
    assert [entry.name for entry in await store.list(path("run"))] == ["old"]


async def test_a_file_system_that_cannot_sync_folders_is_no_failure(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_sync = os.fsync

    def files_only(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        really_sync(fd)

    monkeypatch.setattr(os, "fsync", files_only)
    await put(store, "run/new/file")
    await store.delete(path("run/new/file"))


async def test_a_write_that_the_disk_takes_in_pieces_is_complete(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: really_write(fd, data[:1000]))

    await put(store, "run/file", bytes(range(256)) * 100)

    assert await get(store, "run/file") == bytes(range(256)) * 100


async def test_more_than_the_disk_has_is_refused_by_its_size(store: LocalBlobStore) -> None:
    with pytest.raises(StorageFull):
        await store.write(path("run/file"), chunks(b"x"), size_hint=2**62)


async def test_what_is_there_at_the_start_counts(root: Path) -> None:
    async with LocalBlobStore(root) as store:
        await put(store, "run/file", b"x" * 100)
        upload = await store.create_upload(path("run/big"))
        await store.write_part(path("run/big"), upload, 1, chunks(b"x" * 100))

    async with LocalBlobStore(root, max_bytes=300) as store:
        with pytest.raises(StorageFull):
            await put(store, "run/more", b"x" * 101)
        await put(store, "run/more", b"x" * 100)


async def test_a_name_that_the_disk_refuses_is_the_callers_mistake(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "run/there")
    really_stat = os.stat

    def short_names_only(name: str, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
        if len(name) > 10:
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        return really_stat(name, dir_fd=dir_fd, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "stat", short_names_only)

    with pytest.raises(InvalidArgument):
        await put(store, "run/a-name-too-long")
    with pytest.raises(NotFound):
        await store.stat(path("run/a-name-too-long"))


async def test_an_unexpected_error_is_not_dressed_up(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> int:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "write", fail)

    with pytest.raises(OSError, match="Input/output"):
        await put(store, "run/file")


async def test_a_folder_deleted_by_another_process_at_the_last_moment_is_made_again(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_replace, tries = os.replace, 0

    def after_rmdir(source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            (root / "run/new").rmdir()
        really_replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    monkeypatch.setattr(os, "replace", after_rmdir)
    await put(store, "run/new/file")

    assert tries == 3
    assert await get(store, "run/new/file") == b"content"


async def test_a_folder_that_is_deleted_again_and_again_is_a_conflict(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch, staged_files: Callable[[], list[Path]]
) -> None:
    def after_rmdir(*_args: object, **_kwargs: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(os, "replace", after_rmdir)

    with pytest.raises(Conflict):
        await put(store, "run/new/file")
    assert staged_files() == []


async def test_parts_are_joined_where_the_system_cannot_copy_by_itself(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_kwargs: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(os, "copy_file_range", fail, raising=False)
    content = bytes(range(256)) * 10_000
    upload = await store.create_upload(path("run/file"))
    etag = await store.write_part(path("run/file"), upload, 1, chunks(content))

    await store.complete_upload(path("run/file"), upload, [UploadPart(1, etag)])

    assert await get(store, "run/file") == content


async def test_a_completion_that_is_overtaken_by_its_repetition_gives_the_same_answer(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await store.create_upload(path("run/file"))
    parts = [UploadPart(1, await store.write_part(path("run/file"), upload, 1, chunks(b"one")))]
    loop = asyncio.get_running_loop()
    really_copy = LocalUploads.copy
    overtaking: list[Written] = []

    def overtaken(
        self: LocalUploads, staged: StagedFile, path: BlobPath, upload: UploadId, name: str, offset: int
    ) -> int:
        monkeypatch.undo()
        other = asyncio.run_coroutine_threadsafe(store.complete_upload(path, upload, parts), loop)
        overtaking.append(other.result(PATIENCE))
        return really_copy(self, staged, path, upload, name, offset)

    monkeypatch.setattr(LocalUploads, "copy", overtaken)
    written = await store.complete_upload(path("run/file"), upload, parts)

    assert overtaking == [Written(written.info, None)]
    assert written == Written(await store.stat(path("run/file")), 3)


async def test_a_file_that_gets_shorter_while_it_is_read_is_an_error(
    store: LocalBlobStore, root: Path
) -> None:
    await put(store, "run/file", b"x" * (2 * READ_BYTES))

    async with await store.open(path("run/file")) as reader:
        os.truncate(root / "run/file", 100)
        with pytest.raises(Unavailable):
            async for _ in reader.chunks():
                pass


async def _list(store: LocalBlobStore) -> object:
    return await store.list(path("run"))


async def _walk(store: LocalBlobStore) -> object:
    return [info async for info in store.walk(ROOT)]


async def _usage(store: LocalBlobStore) -> object:
    return await store.usage(ROOT)


async def _delete_prefix(store: LocalBlobStore) -> object:
    return await store.delete_prefix(path("run"))


@pytest.mark.parametrize("operation", [_list, _walk, _usage, _delete_prefix])
async def test_big_folders_are_read_beside_the_event_loop(
    store: LocalBlobStore,
    monkeypatch: pytest.MonkeyPatch,
    operation: Callable[[LocalBlobStore], Awaitable[object]],
) -> None:
    await put(store, "run/file")
    loop = asyncio.get_running_loop()
    begun, may_go_on = asyncio.Event(), threading.Event()
    really_scan = os.scandir

    def slow_scan(fd: int) -> object:
        loop.call_soon_threadsafe(begun.set)
        assert may_go_on.wait(PATIENCE), "the event loop was blocked"
        return really_scan(fd)

    monkeypatch.setattr(os, "scandir", slow_scan)
    running = asyncio.ensure_future(operation(store))
    await begun.wait()
    may_go_on.set()

    assert await running


async def test_memory_stays_flat_for_64_mb(store: LocalBlobStore) -> None:
    size = 64 * 1024 * 1024

    async def many() -> AsyncIterator[bytes]:
        for _ in range(size // 65_536):
            yield bytes(65_536)

    tracemalloc.start()
    try:
        await store.write(path("run/big"), many(), size_hint=size)
        read = 0
        async with await store.open(path("run/big")) as reader:
            async for chunk in reader.chunks():
                read += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert read == size
    assert peak < 8 * 1024 * 1024


GIGABYTE = """
import asyncio, resource, sys
from pathlib import Path
from runyard.server.artifacts import local_files
from runyard.server.artifacts.base import READ_BYTES, WRITE_BYTES
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.artifacts.local_uploads import LocalUploads
from runyard.server.artifacts.paths import parse_blob_path
from runyard.server.artifacts.types import BlobInfo, UploadId, UploadPart

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

async def chunks(size):
    for _ in range(size // 65_536):
        yield bytes(65_536)

async def through(store, size):
    path = parse_blob_path("run/big")
    await store.write(path, chunks(size))
    async with await store.open(path) as reader:
        assert sum([len(chunk) async for chunk in reader.chunks()]) == size
    upload = await store.create_upload(path)
    parts = [UploadPart(n, await store.write_part(path, upload, n, chunks(size // 4))) for n in range(1, 5)]
    assert (await store.complete_upload(path, upload, parts)).info.size == size

async def main(root):
    async with LocalBlobStore(Path(root)) as store:
        await through(store, 16 * 2**20)
        before = peak()
        await through(store, 2**30)
        print(peak() - before)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.full
def test_memory_stays_flat_for_1_gb(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIGABYTE, str(root)], check=True, capture_output=True, text=True
    )

    assert int(done.stdout) < 16 * 1024 * 1024
