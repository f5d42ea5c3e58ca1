"""Listing, walking, counting and deleting, on every backend."""

from __future__ import annotations

import asyncio

import pytest

from runyard.server.artifacts.types import Entry, Usage
from runyard.server.kernel.errors import NotFound
from tests.contract.artifacts.conftest import OpenStore, Store
from tests.contract.artifacts.streams import all_paths, get, path, prefix, put

pytestmark = pytest.mark.anyio

TREE = ["a", "b/a.txt", "b/c", "b/c-d", "b/d/e/f", "b/d/e/g", "bb/x", "b-b", "ü/y", "Z"]


@pytest.fixture
async def tree(store: Store) -> Store:
    """A store with TREE; the n-th file has n bytes."""
    for size, text in enumerate(TREE):
        await put(store, text, b"x" * size)
    return store


@pytest.mark.parametrize(
    ("folder", "names"),
    [
        ("", ["Z", "a", "b/", "b-b", "bb/", "ü/"]),
        ("b", ["a.txt", "c", "c-d", "d/"]),
        ("b/", ["a.txt", "c", "c-d", "d/"]),
        ("b/d", ["e/"]),
        ("b/d/e", ["f", "g"]),
        ("ü", ["y"]),
        ("a", []),
        ("b/c", []),
        ("nothing", []),
        ("a/below/a/file", []),
        ("c", []),
    ],
)
async def test_a_listing_shows_one_level_sorted_by_name(tree: Store, folder: str, names: list[str]) -> None:
    entries = await tree.list(prefix(folder))

    assert [entry.name + "/" * entry.is_dir for entry in entries] == names


async def test_a_listing_tells_sizes_and_times_of_files_only(tree: Store) -> None:
    entries = await tree.list(prefix("b"))

    times = {name: (await tree.stat(path(f"b/{name}"))).modified_ms for name in ("a.txt", "c", "c-d")}
    assert entries == [
        Entry("a.txt", is_dir=False, size=1, modified_ms=times["a.txt"]),
        Entry("c", is_dir=False, size=2, modified_ms=times["c"]),
        Entry("c-d", is_dir=False, size=3, modified_ms=times["c-d"]),
        Entry("d", is_dir=True, size=None, modified_ms=None),
    ]


async def test_a_new_store_is_empty(store: Store) -> None:
    assert await store.list(prefix("")) == []
    assert await all_paths(store) == []
    assert await store.usage(prefix("")) == Usage(0, 0)


AT_OR_BELOW = [
    ("", sorted(TREE)),
    ("b", ["b/a.txt", "b/c", "b/c-d", "b/d/e/f", "b/d/e/g"]),
    ("b/d", ["b/d/e/f", "b/d/e/g"]),
    ("b/c", ["b/c"]),
    ("bb", ["bb/x"]),
    ("ü/y", ["ü/y"]),
    ("nothing", []),
    ("b/c/below", []),
    ("b/nothing/below", []),
]


@pytest.mark.parametrize(("start", "paths"), AT_OR_BELOW)
async def test_a_walk_finds_all_at_or_below_in_the_order_of_paths(
    tree: Store, start: str, paths: list[str]
) -> None:
    assert await all_paths(tree, start) == paths


@pytest.mark.parametrize(("start", "paths"), AT_OR_BELOW)
async def test_usage_counts_all_at_or_below(tree: Store, start: str, paths: list[str]) -> None:
    assert await tree.usage(prefix(start)) == Usage(len(paths), sum(TREE.index(text) for text in paths))


@pytest.mark.parametrize(("start", "paths"), [case for case in AT_OR_BELOW if case[0]])
async def test_delete_prefix_deletes_all_at_or_below_and_nothing_else(
    tree: Store, start: str, paths: list[str]
) -> None:
    usage = await tree.delete_prefix(path(start))

    assert usage == Usage(len(paths), sum(TREE.index(text) for text in paths))
    assert await all_paths(tree) == sorted(set(TREE) - set(paths))
    assert await tree.delete_prefix(path(start)) == Usage(0, 0)


async def test_a_walk_gives_more_files_than_a_batch_holds_and_can_be_left(store: Store) -> None:
    names = [f"many/{n:05d}" for n in range(2100)]
    await asyncio.gather(*(put(store, name, b"") for name in names))

    first = await anext(aiter(store.walk(prefix("many"))))

    assert first.path == names[0]
    assert await all_paths(store) == names
    assert await store.delete_prefix(path("many")) == Usage(2100, 0)


async def test_the_last_file_takes_its_empty_folders_along(store: Store) -> None:
    await put(store, "a/b/c/file")
    await put(store, "a/file")

    await store.delete(path("a/b/c/file"))
    assert [entry.name for entry in await store.list(prefix("a"))] == ["file"]

    await store.delete(path("a/file"))
    assert await store.list(prefix("")) == []


async def test_delete_prefix_takes_the_folders_above_along_when_they_are_empty(store: Store) -> None:
    await put(store, "a/b/c/file")
    await put(store, "a/b/d/file")

    await store.delete_prefix(path("a/b/c"))
    assert [entry.name for entry in await store.list(prefix("a/b"))] == ["d"]

    await store.delete_prefix(path("a/b/d"))
    assert await store.list(prefix("")) == []


async def test_a_deleted_blob_is_gone_and_can_come_again(store: Store) -> None:
    old = await put(store, "a/file", b"same")
    await store.delete(path("a/file"))

    with pytest.raises(NotFound):
        await get(store, "a/file")
    with pytest.raises(NotFound):
        await store.delete(path("a/file"))
    new = await put(store, "a/file", b"same")
    assert new.etag != old.etag


async def test_stores_do_not_share_their_blobs(open_store: OpenStore) -> None:
    one, two = await open_store(), await open_store()

    await put(one, "file")

    assert await all_paths(two) == []
