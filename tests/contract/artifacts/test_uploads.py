"""Multipart uploads, on every backend that has them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from runyard.server.artifacts.base import WRITE_BYTES
from runyard.server.artifacts.types import UploadId, UploadPart, Written
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

BLOB = path("run/artifacts/model.bin")
HOUR_MS = 3_600_000


async def send(store: Store, upload: UploadId, contents: dict[int, bytes]) -> list[UploadPart]:
    """Sends the parts in the order of the dictionary; returns them as `complete_upload` wants them."""
    parts = [
        UploadPart(number, await store.write_part(BLOB, upload, number, stream(content)))
        for number, content in contents.items()
    ]
    return sorted(parts, key=lambda part: part.number)


async def test_parts_are_joined_in_the_order_of_their_numbers(store: Store) -> None:
    big, small = pattern(2 * WRITE_BYTES + 1), b"small"
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {10_000: b"end", 2: small, 1: big, 3: b""})

    written = await store.complete_upload(BLOB, upload, parts)

    assert await get(store, BLOB) == big + small + b"end"
    assert written == Written(await store.stat(BLOB), None)
    assert written.info.size == len(big) + len(small) + 3


async def test_parts_may_come_at_the_same_time(store: Store) -> None:
    contents = [pattern(WRITE_BYTES + n, n) for n in range(8)]
    upload = await store.create_upload(BLOB)

    tags = await asyncio.gather(
        *(store.write_part(BLOB, upload, n + 1, stream(content)) for n, content in enumerate(contents))
    )
    await store.complete_upload(BLOB, upload, [UploadPart(n + 1, tag) for n, tag in enumerate(tags)])

    assert await get(store, BLOB) == b"".join(contents)


async def test_nothing_shows_before_completion_and_no_parts_after(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one", 2: b"not named in the end"})

    assert await all_paths(store) == []
    assert await store.list(prefix("")) == []
    await store.complete_upload(BLOB, upload, parts[:1])
    assert await all_paths(store) == [BLOB]
    assert await get(store, BLOB) == b"one"
    assert (await store.usage(prefix(""))).size == 3


async def test_the_size_is_known_before_completion(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one", 2: b"three", 3: b"not named in the end"})

    assert await store.upload_size(BLOB, upload, parts[:2]) == 8
    for wrong, error in (
        ([], InvalidArgument),
        ([UploadPart(1, "another")], InvalidArgument),
        ([UploadPart(4, parts[0].etag)], InvalidArgument),
    ):
        with pytest.raises(error):
            await store.upload_size(BLOB, upload, wrong)
    with pytest.raises(NotFound):
        await store.upload_size(path("run/artifacts/other"), upload, parts[:2])

    await store.complete_upload(BLOB, upload, parts[:2])
    assert await store.upload_size(BLOB, upload, parts[:2]) == 0


async def test_completion_replaces_a_blob(store: Store) -> None:
    old = await put(store, BLOB, b"older")
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"new"})
    assert await get(store, BLOB) == b"older"

    written = await store.complete_upload(BLOB, upload, parts)

    assert await get(store, BLOB) == b"new"
    assert written.info.etag != old.etag
    assert written.replaced == 5


async def test_a_part_sent_again_replaces_the_first(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    first = await send(store, upload, {1: b"first"})
    second = await send(store, upload, {1: b"second"})
    again = await send(store, upload, {1: b"second"})

    assert first != second == again
    await store.complete_upload(BLOB, upload, second)
    assert await get(store, BLOB) == b"second"


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', "{}"])
async def test_tags_are_taken_as_http_clients_quote_them(store: Store, form: str) -> None:
    upload = await store.create_upload(BLOB)
    [part] = await send(store, upload, {1: b"one"})

    await store.complete_upload(BLOB, upload, [UploadPart(1, form.format(part.etag))])

    assert await get(store, BLOB) == b"one"


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ([], "parts"),
        ([UploadPart(1, "ok"), UploadPart(1, "ok")], "parts[1].part_number"),
        ([UploadPart(2, "ok"), UploadPart(1, "ok")], "parts[1].part_number"),
        ([UploadPart(0, "ok")], "part_number"),
        ([UploadPart(10_001, "ok")], "part_number"),
        ([UploadPart(1, "ok"), UploadPart(3, "ok")], "parts[1].etag"),
        ([UploadPart(1, "wrong")], "parts[0].etag"),
        ([UploadPart(1, "")], "parts[0].etag"),
        ([UploadPart(1, "../../../../etc/passwd")], "parts[0].etag"),
        ([UploadPart(1, "\0")], "parts[0].etag"),
    ],
)
async def test_wrong_parts_are_refused_and_the_upload_stays(
    store: Store, parts: Sequence[UploadPart], field: str
) -> None:
    upload = await store.create_upload(BLOB)
    stored = await send(store, upload, {1: b"one", 2: b"two"})
    tags = {part.number: part.etag for part in stored}
    named = [
        UploadPart(part.number, tags.get(part.number, "none") if part.etag == "ok" else part.etag)
        for part in parts
    ]

    with pytest.raises(InvalidArgument) as refusal:
        await store.complete_upload(BLOB, upload, named)

    assert refusal.value.field == field
    assert await all_paths(store) == []
    await store.complete_upload(BLOB, upload, stored)
    assert await get(store, BLOB) == b"onetwo"


@pytest.mark.parametrize("number", [-1, 0, 10_001])
async def test_part_numbers_have_limits(store: Store, number: int) -> None:
    upload = await store.create_upload(BLOB)

    with pytest.raises(InvalidArgument) as refusal:
        await store.write_part(BLOB, upload, number, stream(b"x"))
    assert refusal.value.field == "part_number"


@pytest.mark.parametrize("unknown", ["", "0" * 32, "../" * 20 + "etc", "a/b", "x" * 5000, "\0", "ü"])
async def test_an_unknown_upload_is_not_found(store: Store, unknown: str) -> None:
    await store.create_upload(BLOB)

    with pytest.raises(NotFound):
        await store.write_part(BLOB, UploadId(unknown), 1, stream(b"x"))
    with pytest.raises(NotFound):
        await store.complete_upload(BLOB, UploadId(unknown), [UploadPart(1, "x")])
    await store.abort_upload(BLOB, UploadId(unknown))


async def test_an_upload_belongs_to_its_path(store: Store) -> None:
    other = path("run-of-somebody-else/artifacts/model.bin")
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one"})

    with pytest.raises(NotFound):
        await store.write_part(other, upload, 1, stream(b"x"))
    with pytest.raises(NotFound):
        await store.complete_upload(other, upload, parts)
    await store.abort_upload(other, upload)

    assert await all_paths(store) == []
    await store.complete_upload(BLOB, upload, parts)
    assert await all_paths(store) == [BLOB]


async def test_an_aborted_upload_is_over(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one"})

    await store.abort_upload(BLOB, upload)
    await store.abort_upload(BLOB, upload)

    with pytest.raises(NotFound):
        await store.write_part(BLOB, upload, 2, stream(b"two"))
    with pytest.raises(NotFound):
        await store.complete_upload(BLOB, upload, parts)
    assert await all_paths(store) == []


async def test_a_part_whose_upload_is_aborted_meanwhile_is_not_found(store: Store) -> None:
    upload = await store.create_upload(BLOB)

    async def chunks() -> AsyncIterator[bytes]:
        yield pattern(2 * WRITE_BYTES)
        await store.abort_upload(BLOB, upload)
        yield b"end"

    with pytest.raises(NotFound):
        await store.write_part(BLOB, upload, 1, chunks())


async def test_completion_can_be_repeated(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one", 2: b"two"})
    info = (await store.complete_upload(BLOB, upload, parts)).info

    assert await store.complete_upload(BLOB, upload, parts) == Written(info, 6)

    newer = await put(store, BLOB, b"newer")
    assert await store.complete_upload(BLOB, upload, parts) == Written(info, 6)
    assert await store.stat(BLOB) == newer
    assert await get(store, BLOB) == b"newer"


async def test_two_completions_at_the_same_time_both_succeed(store: Store) -> None:
    content = pattern(3 * WRITE_BYTES)
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: content, 2: b"end"})

    done = await asyncio.gather(*(store.complete_upload(BLOB, upload, parts) for _ in range(3)))

    assert await store.stat(BLOB) in [written.info for written in done]
    assert sorted(str(written.replaced) for written in done) == [str(len(content) + 3)] * 2 + ["None"]
    assert await get(store, BLOB) == content + b"end"


async def test_a_broken_part_leaves_nothing_and_can_be_sent_again(store: Store) -> None:
    upload = await store.create_upload(BLOB)

    for size in (0, 10, 2 * WRITE_BYTES):
        with pytest.raises(BrokenError):
            await store.write_part(BLOB, upload, 1, broken(pattern(size)))

    parts = await send(store, upload, {1: b"one"})
    await store.complete_upload(BLOB, upload, parts)
    assert await get(store, BLOB) == b"one"


@pytest.mark.parametrize("text", ["folder", "folder/file/below"])
async def test_a_clash_of_file_and_folder_is_refused_at_once(store: Store, text: str) -> None:
    await put(store, "folder/file")

    with pytest.raises(InvalidArgument):
        await store.create_upload(path(text))


async def test_a_clash_that_appears_later_refuses_completion_and_the_upload_stays(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one"})
    await put(store, f"{BLOB}/file")

    with pytest.raises(InvalidArgument):
        await store.complete_upload(BLOB, upload, parts)
    assert await all_paths(store) == [f"{BLOB}/file"]

    await store.delete(path(f"{BLOB}/file"))
    await store.complete_upload(BLOB, upload, parts)
    assert await all_paths(store) == [BLOB]


async def test_only_stale_uploads_are_purged(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one"})

    assert await store.purge_stale_uploads(now_ms() - HOUR_MS) == 0
    parts += await send(store, upload, {2: b"two"})
    assert await store.purge_stale_uploads(now_ms() + HOUR_MS) == 1

    with pytest.raises(NotFound):
        await store.complete_upload(BLOB, upload, parts)
    assert await store.purge_stale_uploads(now_ms() + HOUR_MS) == 0


async def test_purging_forgets_completed_uploads_and_keeps_their_blobs(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one"})
    await store.complete_upload(BLOB, upload, parts)

    assert await store.purge_stale_uploads(now_ms() + HOUR_MS) == 1

    with pytest.raises(NotFound):
        await store.complete_upload(BLOB, upload, parts)
    assert await get(store, BLOB) == b"one"


async def test_deleting_a_prefix_leaves_its_uploads_alone(store: Store) -> None:
    upload = await store.create_upload(BLOB)
    parts = await send(store, upload, {1: b"one"})

    await store.delete_prefix(path("run"))
    await store.complete_upload(BLOB, upload, parts)

    assert await get(store, BLOB) == b"one"
