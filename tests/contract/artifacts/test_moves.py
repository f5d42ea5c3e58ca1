"""Moving blobs, on every backend."""

from __future__ import annotations

import pytest

from runyard.server.artifacts.types import Usage
from runyard.server.kernel.errors import AlreadyExists, NotFound
from tests.contract.artifacts.conftest import OpenStore, Store
from tests.contract.artifacts.streams import all_paths, get, path, prefix, put

pytestmark = pytest.mark.anyio

TREE = ["a", "b/c", "b/d/e", "bb/x"]


@pytest.fixture
async def tree(store: Store) -> Store:
    """A store with TREE; each file holds its name."""
    for text in TREE:
        await put(store, text, text.encode())
    return store


@pytest.mark.parametrize(
    ("source", "target", "places"),
    [
        ("a", "z", {"a": "z"}),
        ("a", "new/folder/a", {"a": "new/folder/a"}),
        ("a", "b/a", {"a": "b/a"}),
        ("b", "z", {"b/c": "z/c", "b/d/e": "z/d/e"}),
        ("b", "bb/b", {"b/c": "bb/b/c", "b/d/e": "bb/b/d/e"}),
        ("b/d", "d", {"b/d/e": "d/e"}),
        ("b/d/e", "bb/y", {"b/d/e": "bb/y"}),
        ("nothing", "z", {}),
        ("b/nothing", "z", {}),
        ("a/below", "z", {}),
        ("nothing", "a", {}),
    ],
)
async def test_all_at_or_below_moves_and_nothing_else(
    tree: Store, source: str, target: str, places: dict[str, str]
) -> None:
    await tree.move(path(source), path(target))

    assert await all_paths(tree) == sorted(places.get(text, text) for text in TREE)
    for text in TREE:
        assert await get(tree, places.get(text, text)) == text.encode()
    await tree.move(path(source), path(target))
    assert await all_paths(tree) == sorted(places.get(text, text) for text in TREE)


@pytest.mark.parametrize(
    ("source", "target", "told"),
    [
        ("a", "b", "b"),
        ("a", "b/c", "b/c"),
        ("a", "b/d", "b/d"),
        ("a", "b/c/below", "b/c"),
        ("b", "a", "a"),
        ("b", "bb", "bb"),
        ("b", "bb/x", "bb/x"),
        ("b", "a/below/it", "a"),
    ],
)
async def test_nothing_is_replaced(tree: Store, source: str, target: str, told: str) -> None:
    with pytest.raises(AlreadyExists, match=f"{told!r} is there"):
        await tree.move(path(source), path(target))

    assert await all_paths(tree) == sorted(TREE)
    assert [await get(tree, text) for text in TREE] == [text.encode() for text in TREE]


async def test_the_folders_that_a_move_leaves_empty_are_gone(store: Store) -> None:
    await put(store, "a/b/c/file")

    await store.move(path("a/b/c/file"), path("z/file"))
    assert [entry.name for entry in await store.list(prefix(""))] == ["z"]

    await store.move(path("z"), path("a/b"))
    assert [entry.name for entry in await store.list(prefix(""))] == ["a"]


async def test_the_old_place_is_free_and_what_comes_there_is_another_blob(store: Store) -> None:
    await put(store, "a/file", b"old")
    reader = await store.open(path("a/file"))

    await store.move(path("a/file"), path("z/file"))
    with pytest.raises(NotFound):
        await store.stat(path("a/file"))
    await put(store, "a/file", b"new")

    assert await get(store, "z/file") == b"old"
    assert await get(store, "a/file") == b"new"
    async with reader:
        assert [chunk async for chunk in reader.chunks()] == [b"old"]


async def test_a_move_takes_and_frees_no_room(open_store: OpenStore) -> None:
    store = await open_store(max_bytes=10)
    await put(store, "a/file", b"0123456789")

    await store.move(path("a"), path("z"))
    assert await store.usage(prefix("")) == Usage(1, 10)

    await store.delete_prefix(path("z"))
    await put(store, "a/file", b"0123456789")
