"""What the tests send to stores and get from them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from runyard.server.artifacts.base import BlobStore
from runyard.server.artifacts.paths import BlobPath, BlobPrefix, parse_blob_path, parse_blob_prefix
from runyard.server.artifacts.types import BlobInfo, ByteRange


class BrokenError(Exception):
    """Stands for the connection of a client that goes away."""


def path(text: str) -> BlobPath:
    return parse_blob_path(text)


def prefix(text: str) -> BlobPrefix:
    return parse_blob_prefix(text)


def pattern(size: int, seed: int = 0) -> bytes:
    """Bytes that repeat only every 251 * 256, so that shifted or swapped blocks are noticed."""
    period = bytes((i + i // 251 * 7 + seed) % 256 for i in range(251 * 256))
    return (period * (size // len(period) + 1))[:size]


async def stream(content: bytes, chunk: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), chunk):
        yield content[start : start + chunk]


async def chunks(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


async def broken(content: bytes, chunk: int = 65_536) -> AsyncIterator[bytes]:
    """The content, and then a failure instead of the end."""
    async for piece in stream(content, chunk):
        yield piece
    raise BrokenError


async def put(store: BlobStore, text: str, content: bytes = b"content") -> BlobInfo:
    return (await store.write(path(text), stream(content))).info


async def get(store: BlobStore, text: str, span: ByteRange | None = None) -> bytes:
    async with await store.open(path(text)) as reader:
        return b"".join([chunk async for chunk in reader.chunks(span)])


async def all_paths(store: BlobStore, text: str = "") -> list[str]:
    return [info.path async for info in store.walk(prefix(text))]
