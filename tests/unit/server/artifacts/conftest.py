"""A local store for the tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.artifacts.paths import INTERNAL_SEGMENT


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The root folder of the store; it doesn't exist yet."""
    return tmp_path / "data" / "artifacts"


@pytest.fixture
async def store(root: Path) -> AsyncIterator[LocalBlobStore]:
    """A started local store on `root`."""
    async with LocalBlobStore(root) as opened:
        yield opened


@pytest.fixture
def staged_files(root: Path) -> Callable[[], list[Path]]:
    """A function that finds the unfinished files on `root`."""
    staging = root / INTERNAL_SEGMENT / "staging"

    def find() -> list[Path]:
        return [found for found in staging.rglob("*") if found.is_file() and "lock" not in found.name]

    return find
