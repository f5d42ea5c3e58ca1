"""Moving on a disk: no hard links, a kill between two steps, what others put there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.kernel.errors import AlreadyExists
from tests.contract.artifacts.streams import all_paths, get, path, put

pytestmark = pytest.mark.anyio


def _refuse(*args: Any, **kwargs: Any) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


async def test_files_move_where_they_can_have_one_name_only(
    store: LocalBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "a", b"a")
    await put(store, "b", b"b")
    monkeypatch.setattr(os, "link", _refuse)

    with pytest.raises(AlreadyExists):
        await store.move(path("a"), path("b"))
    await store.move(path("a"), path("c"))

    assert await all_paths(store) == ["b", "c"]
    assert await get(store, "b") == b"b"


async def test_a_move_that_was_killed_between_two_names_goes_on(store: LocalBlobStore, root: Path) -> None:
    await put(store, "a", b"a")
    os.link(root / "a", root / "b")

    await store.move(path("a"), path("b"))

    assert await all_paths(store) == ["b"]
    assert await get(store, "b") == b"a"


async def test_a_file_with_the_same_content_is_another_one(store: LocalBlobStore) -> None:
    await put(store, "a", b"same")
    await put(store, "b", b"same")

    with pytest.raises(AlreadyExists):
        await store.move(path("a"), path("b"))
    assert await all_paths(store) == ["a", "b"]


async def test_a_folder_takes_the_place_of_an_empty_one(store: LocalBlobStore, root: Path) -> None:
    await put(store, "a/file")
    (root / "b").mkdir()

    await store.move(path("a"), path("b"))

    assert await all_paths(store) == ["b/file"]


async def test_a_link_leads_nowhere(store: LocalBlobStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    await put(store, "run/file")
    (root / "run" / "link").symlink_to(outside)

    await store.move(path("run/link/secret"), path("run/stolen"))
    with pytest.raises(AlreadyExists):
        await store.move(path("run/file"), path("run/link/file"))
    await store.move(path("run"), path("moved"))

    assert await all_paths(store) == ["moved/file"]
    assert [one.name for one in outside.iterdir()] == ["secret"]


async def test_a_failure_leaves_no_folders(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "a")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="Input/output"):
        await store.move(path("a"), path("new/folder/a"))

    assert await all_paths(store) == ["a"]
    assert not (root / "new").exists()


async def test_what_another_process_uploads_meanwhile_is_never_lost(
    store: LocalBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await put(store, "a", b"old")
    await put(store, "b", b"occupied")
    rename = os.rename

    def between(source: str, target: str, **folders: int) -> None:
        (root / "upload").write_bytes(b"just before")
        rename(root / "upload", root / source)
        rename(source, target, **folders)
        (root / source).write_bytes(b"just after")

    monkeypatch.setattr(os, "rename", between)
    await store.move(path("a"), path("c"), alone=True)
    monkeypatch.undo()

    assert (await get(store, "c"), await get(store, "a")) == (b"just before", b"just after")
    with pytest.raises(AlreadyExists):
        await store.move(path("a"), path("b"), alone=True)
