"""Runs every test of this folder on every backend of the artifact store.

To join a backend, write a function that opens an empty store of it and add it to BACKENDS.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Protocol, cast

import pytest

from runyard.server.artifacts.base import BlobStore, MultipartUploads
from runyard.server.artifacts.fake import FakeBlobStore
from runyard.server.artifacts.local import LocalBlobStore


class Store(BlobStore, MultipartUploads):
    """What the suite needs of a backend; only a type."""


class OpenStore(Protocol):
    """Opens a further empty store of the backend under test; it is closed after the test."""

    async def __call__(self, *, max_bytes: int | None = None) -> Store: ...


def _local(folder: Path, max_bytes: int | None) -> AbstractAsyncContextManager[BlobStore]:
    return LocalBlobStore(folder, max_bytes=max_bytes)


def _fake(_folder: Path, max_bytes: int | None) -> AbstractAsyncContextManager[BlobStore]:
    return FakeBlobStore(max_bytes=max_bytes)


BACKENDS: dict[str, Callable[[Path, int | None], AbstractAsyncContextManager[BlobStore]]] = {
    "local": _local,
    "fake": _fake,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=sorted(BACKENDS))
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenStore]:
    """A function that opens empty stores, with a limit if need be."""
    make = BACKENDS[request.param]
    async with AsyncExitStack() as stack:
        count = 0

        async def open_one(*, max_bytes: int | None = None) -> Store:
            nonlocal count
            count += 1
            opened = await stack.enter_async_context(make(tmp_path / f"store-{count}", max_bytes))
            return cast(Store, opened)

        yield open_one


@pytest.fixture
async def store(open_store: OpenStore) -> Store:
    """An empty store."""
    return await open_store()
