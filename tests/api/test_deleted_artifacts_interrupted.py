"""Moving files to the trash and back ends anywhere: the next start goes on with it, and nothing is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runyard.server.artifacts import BlobPath, BlobPrefix
from runyard.server.artifacts.local import LocalBlobStore
from tests.api.conftest import Api, serve
from tests.api.deleted_files import Files, on_disk, stored
from tests.api.trash_data import TRASH, age, item, names, purge, settle, sql, trash

MINUTE = 60_000
UNDER_WAY = "SELECT count(*) FROM deleted_artifact WHERE state IN (0, 2)"
CONTENT = {"dir/a": b"1", "dir/b/c": b"22", "other": b"333"}

Move = Callable[..., Awaitable[None]]
_move = LocalBlobStore.move


class KilledError(Exception):
    """Stands for the end of the process: nothing of the request goes on."""


async def before(store: LocalBlobStore, source: BlobPath, target: BlobPath, *, alone: bool = False) -> None:
    """Ends before anything moves."""
    raise KilledError


async def after(store: LocalBlobStore, source: BlobPath, target: BlobPath, *, alone: bool = False) -> None:
    """Ends when all has moved."""
    await _move(store, source, target, alone=alone)
    raise KilledError


async def one_by_one(
    store: LocalBlobStore, source: BlobPath, target: BlobPath, *, alone: bool = False
) -> None:
    """Moves like a store that can't rename folders."""
    async for blob in store.walk(source):
        place = BlobPath(BlobPrefix(target + blob.path[len(source) :]))
        await _move(store, blob.path, place, alone=alone)


async def between(store: LocalBlobStore, source: BlobPath, target: BlobPath, *, alone: bool = False) -> None:
    """The same; it ends behind the first file."""
    async for blob in store.walk(source):
        place = BlobPath(BlobPrefix(target + blob.path[len(source) :]))
        await _move(store, blob.path, place, alone=alone)
        raise KilledError


async def _chunks() -> AsyncIterator[bytes]:
    yield b"late"


class Servers:
    """Starts servers on one database and folder, one after the other."""

    def __init__(self, database_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._url = database_url
        self._folder = folder
        self._monkeypatch = monkeypatch

    @contextmanager
    def running(self) -> Iterator[Api]:
        """A server that has been off for two minutes."""
        age(self._url, 2 * MINUTE)
        with serve(data=str(self._folder), database=self._url) as api:
            settle(api)
            while sql(self._url, UNDER_WAY) != [(0,)]:
                api.get("/health").ok()
            yield api

    @contextmanager
    def moving(self, move: Move) -> Iterator[None]:
        """While files move so."""
        with self._monkeypatch.context() as patched:
            patched.setattr(LocalBlobStore, "move", move)
            yield


@pytest.fixture
def servers(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Servers:
    with serve(data=str(tmp_path), database=database_url):
        pass
    return Servers(database_url, tmp_path, monkeypatch)


def fill(api: Api) -> Files:
    files = Files(api)
    for name, content in CONTENT.items():
        files.put(name, content)
    return files


def again(files: Files, api: Api) -> Files:
    """The same files at the next server."""
    files.api = api
    return files


@pytest.mark.parametrize("moved", [after, between])
def test_a_deletion_goes_on(servers: Servers, moved: Move) -> None:
    # Given a deletion that ended with its process
    with servers.running() as api, servers.moving(moved):
        files = fill(api)
        assert api.delete(f"/api/2.0/mlflow-artifacts/artifacts/{files.root}/dir").status == 500
        assert trash(api) == []
    # When
    with servers.moving(one_by_one if moved is between else _move), servers.running() as api:
        # Then
        assert again(files, api).listed() == {"other": b"333"}
        (found,) = trash(api)
        assert (found["name"], found["artifact_bytes"]) == (f"{files.run}/artifacts/dir/", 3)
        assert stored(api) == {"bytes": 6, "files": 3}
        files.restore(found["id"]).ok()
        assert files.listed() == CONTENT


def test_a_deletion_of_which_nothing_moved_is_given_up(servers: Servers) -> None:
    # Given a deletion that ended with its process, and a new file at the place
    with servers.running() as api:
        files = fill(api)
        with servers.moving(before):
            assert api.delete(f"/api/2.0/mlflow-artifacts/artifacts/{files.root}/dir").status == 500
        files.put("dir/a", b"new")
    # When
    with servers.running() as api:
        # Then what was stored since is where it was stored
        assert again(files, api).listed() == {**CONTENT, "dir/a": b"new"}
        assert trash(api) == []


def test_a_deletion_that_was_given_up_too_early_is_in_the_trash(servers: Servers, database_url: str) -> None:
    with servers.running() as api:
        # Given
        files = fill(api)

        async def late(
            store: LocalBlobStore, source: BlobPath, target: BlobPath, *, alone: bool = False
        ) -> None:
            """Moves when another process has taken this one for dead."""
            sql(database_url, "DELETE FROM deleted_artifact")
            await _move(store, source, target, alone=alone)

        # When
        with servers.moving(late):
            assert api.delete(f"/api/2.0/mlflow-artifacts/artifacts/{files.root}/dir").status == 200
        # Then
        (found,) = trash(api)
        files.restore(found["id"]).ok()
        assert files.listed() == CONTENT


def test_a_deletion_goes_on_when_its_place_is_taken(servers: Servers, tmp_path: Path) -> None:
    # Given a deletion that ended with its process when all had moved, and a new file at the place
    with servers.running() as api:
        files = fill(api)
        with servers.moving(after):
            assert api.delete(f"/api/2.0/mlflow-artifacts/artifacts/{files.root}/other").status == 500
        files.put("other", b"new")
    # When
    with servers.running() as api:
        # Then
        assert again(files, api).get("other").content == b"new"
        (found,) = trash(api)
        # And it comes back when there is room for it
        files.delete("other")
        files.restore(found["id"]).ok()
        assert files.listed() == CONTENT
        purge(api)
        assert on_disk(tmp_path) == sorted(CONTENT.values())


@pytest.mark.parametrize("moved", [before, after, between])
def test_a_restoration_goes_on(servers: Servers, moved: Move) -> None:
    # Given a restoration that ended with its process
    with servers.running() as api:
        files = fill(api)
        one = files.delete("dir")
        with servers.moving(moved):
            assert files.restore(one).status == 500
        assert trash(api) == []
        assert api.post(f"{TRASH}/purge", {"items": [item("artifact", one)]}).status == 404
    # When
    with servers.moving(one_by_one if moved is between else _move), servers.running() as api:
        # Then
        assert again(files, api).listed() == CONTENT
        assert trash(api) == []
        assert stored(api) == {"bytes": 6, "files": 3}


def test_a_restoration_ends_in_the_trash_when_its_place_is_taken(servers: Servers) -> None:
    # Given a restoration that ended with its process, and a new file at the place
    with servers.running() as api:
        files = fill(api)
        one = files.delete("other")
        with servers.moving(before):
            assert files.restore(one).status == 500
        files.put("other", b"new")
    # When
    with servers.running() as api:
        # Then
        assert again(files, api).get("other").content == b"new"
        assert names(trash(api)) == [("artifact", one)]


def test_a_file_that_comes_at_the_last_moment_keeps_one_of_many_in_the_trash(servers: Servers) -> None:
    with servers.running() as api:
        # Given
        files = fill(api)
        one, other = files.delete("dir"), files.delete("other")

        async def late(
            store: LocalBlobStore, source: BlobPath, target: BlobPath, *, alone: bool = False
        ) -> None:
            if target.endswith("/other"):
                await store.write(target, _chunks())
            await _move(store, source, target, alone=alone)

        # When
        with servers.moving(late):
            reply = files.restore(one, other)
        # Then
        assert reply.error == (400, "RESOURCE_ALREADY_EXISTS")
        assert f"{files.root}/other" in reply.message
        assert names(trash(api)) == [("artifact", other)]
        assert files.listed() == {**CONTENT, "other": b"late"}


def test_a_purge_goes_on(servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Given a purge whose files can't be deleted
    async def refuse(store: LocalBlobStore, path: BlobPath) -> None:
        raise OSError(5, "Input/output error")

    with servers.running() as api:
        files = fill(api)
        files.delete("dir")
        with monkeypatch.context() as patched:
            patched.setattr(LocalBlobStore, "delete_prefix", refuse)
            assert purge(api)["done"] is False
        # Then they are gone for everybody
        assert trash(api) == []
        assert stored(api) == {"bytes": 6, "files": 3}
    # When
    with servers.running() as api:
        # Then
        assert on_disk(tmp_path) == [b"333"]
        assert stored(api) == {"bytes": 3, "files": 1}
