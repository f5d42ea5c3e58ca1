"""Writing and reading single blobs, on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest

from runyard.server.artifacts.base import READ_BYTES, WRITE_BYTES
from runyard.server.artifacts.paths import MAX_PATH_CHARS
from runyard.server.artifacts.types import ByteRange
from runyard.server.kernel.clock import now_ms
from runyard.server.kernel.errors import InvalidArgument, NotFound
from tests.contract.artifacts.conftest import Store
from tests.contract.artifacts.streams import (
    BrokenError,
    all_paths,
    broken,
    get,
    path,
    pattern,
    prefix,
    put,
    stream,
)

pytestmark = pytest.mark.anyio

SIZES = [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, WRITE_BYTES, WRITE_BYTES + 1, 3 * WRITE_BYTES + 17]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("chunk", [1000, 65_536, 5 * WRITE_BYTES])
async def test_what_is_written_is_read(store: Store, size: int, chunk: int) -> None:
    content = pattern(size)

    written = await store.write(path("a/b/file.bin"), stream(content, chunk), size_hint=size)

    assert (written.info.size, written.replaced) == (size, None)
    assert await get(store, "a/b/file.bin") == content


async def test_empty_chunks_and_other_kinds_of_bytes_are_taken(store: Store) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b""
        yield bytearray(b"one ")  # type: ignore[misc]
        yield memoryview(b"two")  # type: ignore[misc]
        yield b""

    await store.write(path("file"), chunks())

    assert await get(store, "file") == b"one two"


async def test_a_wrong_size_hint_changes_nothing(store: Store) -> None:
    for hint in (0, 1, 10_000):
        written = await store.write(path("file"), stream(b"content"), size_hint=hint)
        assert written.info.size == 7
    assert await get(store, "file") == b"content"


@pytest.mark.parametrize(
    "text",
    [
        "MLmodel",
        "default/12/ab34/artifacts/model/MLmodel",
        "spaced name/file .txt",
        "100%.txt",
        "acc%20score.png",
        "ümläut/ß/日本語.txt",
        "e\u0301 decomposed",
        "emoji 🎉.txt",
        "#hash ?query &amp; 'quotes' \"double\" $HOME `id` ; | * ~",
        "a:b",
        "-rf",
        "...",
        "..hidden",
        ".hidden/.runyard-internal/file",
        "n" * 255,
        "ü" * 127,
        "/".join(["d" * 200] * 24),
        "/".join("abcdefgh" * 16),
        "trailing dot./trailing space /x",
    ],
)
async def test_any_legal_name_is_kept_as_it_is(store: Store, text: str) -> None:
    await put(store, text, text.encode())

    assert await get(store, text) == text.encode()
    assert await all_paths(store) == [text]
    assert len(text) <= MAX_PATH_CHARS


async def test_info_is_the_same_wherever_it_comes_from(store: Store) -> None:
    before = now_ms()
    written = await put(store, "a/file", b"12345")
    after = now_ms()

    assert (written.path, written.size) == ("a/file", 5)
    assert before <= written.modified_ms <= after
    assert written.etag.isascii()
    assert '"' not in written.etag
    async with await store.open(path("a/file")) as reader:
        assert reader.info == written
    assert await store.stat(path("a/file")) == written
    assert [info async for info in store.walk(prefix(""))] == [written]


async def test_every_version_has_its_own_etag(store: Store) -> None:
    tags = [(await put(store, "file", f"{n:04d}".encode())).etag for n in range(300)]

    assert len(set(tags)) == 300


async def test_etag_and_time_stay_while_the_blob_stays(store: Store) -> None:
    written = await put(store, "a/file")

    await put(store, "a/other")
    await put(store, "b")
    await store.delete(path("a/other"))
    await get(store, "a/file")

    assert await store.stat(path("a/file")) == written


@pytest.mark.parametrize("size", [1000, READ_BYTES, 3 * READ_BYTES + 5])
async def test_a_span_gives_its_bytes_only(store: Store, size: int) -> None:
    content = pattern(size)
    await put(store, "file", content)

    for start, stop in [(0, 1), (0, size), (size - 1, size), (1, size - 1), (size // 2, size // 2)]:
        assert await get(store, "file", ByteRange(start, stop)) == content[start:stop], (start, stop)


async def test_a_reader_gives_several_spans_in_chunks_of_limited_size(store: Store) -> None:
    content = pattern(3 * READ_BYTES)
    await put(store, "file", content)

    async with await store.open(path("file")) as reader:
        sizes = [len(chunk) async for chunk in reader.chunks()]
        again = b"".join([chunk async for chunk in reader.chunks(ByteRange(5, 10))])
        await reader.close()

    assert max(sizes) <= READ_BYTES
    assert sum(sizes) == len(content)
    assert again == content[5:10]


@pytest.mark.parametrize("text", ["nothing", "folder/nothing", "folder", "folder/file/below", "folder/fil"])
async def test_what_is_no_blob_is_not_found(store: Store, text: str) -> None:
    await put(store, "folder/file")

    with pytest.raises(NotFound):
        await store.stat(path(text))
    with pytest.raises(NotFound):
        await store.open(path(text))
    with pytest.raises(NotFound):
        await store.delete(path(text))
    assert await all_paths(store) == ["folder/file"]


@pytest.mark.parametrize("text", ["folder", "folder/sub", "folder/sub/file/below", "folder/sub/file/b/c"])
async def test_a_file_where_a_folder_is_and_the_reverse_are_refused(store: Store, text: str) -> None:
    await put(store, "folder/sub/file", b"there first")

    with pytest.raises(InvalidArgument) as refusal:
        await put(store, text)

    assert text in refusal.value.message
    assert refusal.value.field == "path"
    assert await all_paths(store) == ["folder/sub/file"]
    assert await get(store, "folder/sub/file") == b"there first"


async def test_a_folder_that_appears_during_the_upload_is_not_replaced(store: Store) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield pattern(WRITE_BYTES)
        await put(store, "name/file")
        yield b"end"

    with pytest.raises(InvalidArgument):
        await store.write(path("name"), chunks())

    assert await all_paths(store) == ["name/file"]


async def test_a_write_tells_what_it_replaced_at_its_end(store: Store) -> None:
    async def after(change: Awaitable[object]) -> AsyncIterator[bytes]:
        yield pattern(WRITE_BYTES)
        await change
        yield b"end"

    await put(store, "file", b"12345")
    told = [(await store.write(path("file"), stream(content))).replaced for content in (b"", b"new")]
    for change in (
        put(store, "file", b"sooner"),
        store.move(path("file"), path("elsewhere")),
        put(store, "file", b"back"),
        store.delete(path("file")),
    ):
        told.append((await store.write(path("file"), after(change))).replaced)

    assert told == [5, 0, 6, None, 4, None]


async def test_a_file_makes_way_for_a_folder_when_deleted(store: Store) -> None:
    await put(store, "a")
    await store.delete(path("a"))

    await put(store, "a/b")

    assert await all_paths(store) == ["a/b"]


@pytest.mark.parametrize("size", [0, 10, 3 * WRITE_BYTES])
async def test_a_broken_upload_leaves_nothing(store: Store, size: int) -> None:
    with pytest.raises(BrokenError):
        await store.write(path("new/file"), broken(pattern(size)))

    assert await all_paths(store) == []
    assert await store.list(prefix("")) == []


@pytest.mark.parametrize("size", [0, 10, 3 * WRITE_BYTES])
async def test_a_broken_upload_leaves_the_old_content(store: Store, size: int) -> None:
    before = await put(store, "file", b"old")

    with pytest.raises(BrokenError):
        await store.write(path("file"), broken(pattern(size)))

    assert await get(store, "file") == b"old"
    assert await store.stat(path("file")) == before


async def test_a_cancelled_upload_leaves_nothing(store: Store) -> None:
    waiting = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield pattern(2 * WRITE_BYTES)
        waiting.set()
        await asyncio.Event().wait()

    upload = asyncio.create_task(store.write(path("a/file"), chunks()))
    await waiting.wait()
    upload.cancel()

    with pytest.raises(asyncio.CancelledError):
        await upload
    assert await all_paths(store) == []


async def test_nothing_shows_before_the_end_of_the_upload(store: Store) -> None:
    seen: list[list[str]] = []

    async def chunks() -> AsyncIterator[bytes]:
        yield pattern(2 * WRITE_BYTES)
        seen.append(await all_paths(store))
        yield b"end"

    await store.write(path("a/file"), chunks())

    assert seen == [[]]
    assert await all_paths(store) == ["a/file"]


@pytest.mark.parametrize("size", [10, 3 * READ_BYTES])
async def test_a_reader_keeps_the_version_that_it_opened(store: Store, size: int) -> None:
    old = pattern(size, seed=1)
    await put(store, "file", old)

    async with await store.open(path("file")) as replaced, await store.open(path("file")) as deleted:
        first = replaced.chunks()
        start = await anext(first)
        await put(store, "file", pattern(size, seed=2))
        rest = b"".join([chunk async for chunk in first])
        await store.delete(path("file"))
        whole = b"".join([chunk async for chunk in deleted.chunks()])

    assert start + rest == old
    assert whole == old


async def test_of_concurrent_writes_to_one_path_one_wins_as_a_whole(store: Store) -> None:
    size = 2 * WRITE_BYTES + 3
    contents = [pattern(size, seed) for seed in range(6)]

    infos = await asyncio.gather(*(put(store, "a/b/file", content) for content in contents))

    last = await store.stat(path("a/b/file"))
    assert await get(store, "a/b/file") in contents
    assert last in infos
    assert len({info.etag for info in infos}) == len(infos)


async def test_concurrent_writes_and_deletes_in_one_folder_do_not_disturb_each_other(store: Store) -> None:
    async def churn(n: int) -> None:
        for _ in range(10):
            await put(store, f"deep/er/file-{n}")
            await store.delete(path(f"deep/er/file-{n}"))
        await put(store, f"deep/er/file-{n}")

    await asyncio.gather(*(churn(n) for n in range(6)))

    assert await all_paths(store) == [f"deep/er/file-{n}" for n in range(6)]
