"""A store that reaches its limit, on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from runyard.server.artifacts.base import WRITE_BYTES
from runyard.server.artifacts.types import UploadPart
from runyard.server.kernel.errors import StorageFull
from tests.contract.artifacts.conftest import OpenStore
from tests.contract.artifacts.streams import BrokenError, all_paths, broken, get, path, pattern, put, stream

pytestmark = pytest.mark.anyio

LIMIT = 3 * WRITE_BYTES


async def test_what_fits_exactly_is_taken_and_one_byte_more_is_not(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=LIMIT)

    await put(store, "a", pattern(LIMIT - 5))
    await put(store, "b", b"12345")

    with pytest.raises(StorageFull):
        await put(store, "c", b"6")
    await put(store, "empty", b"")
    assert await all_paths(store) == ["a", "b", "empty"]


@pytest.mark.parametrize("hint", [None, LIMIT + 1])
async def test_too_much_leaves_nothing_and_reads_go_on(open_store: OpenStore, hint: int | None) -> None:
    store = await open_store(max_bytes=LIMIT)
    await put(store, "there", b"there first")

    with pytest.raises(StorageFull):
        await store.write(path("new/file"), stream(pattern(LIMIT + 1)), size_hint=hint)
    with pytest.raises(StorageFull):
        await store.write(path("there"), stream(pattern(LIMIT + 1)), size_hint=hint)

    assert await all_paths(store) == ["there"]
    assert await get(store, "there") == b"there first"
    await put(store, "fits", pattern(LIMIT - 11))


async def test_a_hint_refuses_before_all_has_come(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=LIMIT)
    received = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal received
        for _ in range(64):
            received += 65_536
            yield bytes(65_536)

    with pytest.raises(StorageFull):
        await store.write(path("file"), chunks(), size_hint=64 * 65_536)
    assert received <= WRITE_BYTES


async def test_room_comes_back_whatever_frees_it(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=LIMIT)
    most = pattern(LIMIT - 10)

    async def check_all_free() -> None:
        await put(store, "most", most)
        await store.delete(path("most"))

    await put(store, "a/b", pattern(1000))
    await put(store, "a/b", b"1")  # replaced by less
    await store.delete(path("a/b"))
    await check_all_free()

    await put(store, "a/b", pattern(1000))
    await put(store, "a/c/d", pattern(1000))
    await store.delete_prefix(path("a"))
    await check_all_free()

    with pytest.raises(BrokenError):
        await store.write(path("a"), broken(pattern(2 * WRITE_BYTES)))
    await check_all_free()

    with pytest.raises(StorageFull):
        await put(store, "a", pattern(LIMIT + 1))
    await check_all_free()


async def test_room_comes_back_from_uploads(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=LIMIT)
    size = LIMIT // 2

    upload = await store.create_upload(path("a"))
    etag = await store.write_part(path("a"), upload, 1, stream(pattern(size)))
    await store.write_part(path("a"), upload, 1, stream(pattern(size)))  # the same again
    with pytest.raises(StorageFull):
        await store.write_part(path("a"), upload, 2, stream(pattern(size + 1)))
    await store.complete_upload(path("a"), upload, [UploadPart(1, etag)])
    await put(store, "b", pattern(LIMIT - size))
    await store.delete(path("b"))

    aborted = await store.create_upload(path("c"))
    await store.write_part(path("c"), aborted, 1, stream(pattern(size)))
    await store.abort_upload(path("c"), aborted)
    await put(store, "b", pattern(LIMIT - size))


async def test_an_upload_that_cannot_be_completed_for_room_stays(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=LIMIT)
    content = pattern(LIMIT // 2)
    await put(store, "other", b"1")
    upload = await store.create_upload(path("a"))
    etag = await store.write_part(path("a"), upload, 1, stream(content))

    with pytest.raises(StorageFull):
        await store.complete_upload(path("a"), upload, [UploadPart(1, etag)])
    assert await all_paths(store) == ["other"]

    await store.delete(path("other"))
    await store.complete_upload(path("a"), upload, [UploadPart(1, etag)])
    assert await get(store, "a") == content


async def test_concurrent_writes_never_pass_the_limit_together(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=LIMIT)

    results = await asyncio.gather(
        *(put(store, f"file-{n}", pattern(WRITE_BYTES, n)) for n in range(5)), return_exceptions=True
    )

    refused = [result for result in results if isinstance(result, StorageFull)]
    assert len(refused) == 2
    assert len(await all_paths(store)) == 3
