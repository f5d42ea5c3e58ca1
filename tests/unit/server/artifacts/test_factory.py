"""Addresses of artifact stores."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from runyard.server.artifacts.factory import open_store
from runyard.server.artifacts.fake import FakeBlobStore
from runyard.server.artifacts.local import LocalBlobStore
from runyard.server.kernel.errors import InvalidArgument


def started_at(url: str) -> None:
    async def scenario() -> None:
        async with open_store(url) as store:
            assert isinstance(store, LocalBlobStore)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("form", "folder"),
    [
        ("{root}/a/b", "a/b"),
        ("file://{root}/a/b", "a/b"),
        ("FILE://localhost{root}/a", "a"),
        ("file:{root}/a", "a"),
        ("file://{root}/a%20b", "a b"),
        ("{root}/a%20b", "a%20b"),
        ("{root}/with:colon", "with:colon"),
    ],
)
def test_folders_are_created_where_the_address_says(tmp_path: Path, form: str, folder: str) -> None:
    started_at(form.format(root=tmp_path))

    assert (tmp_path / folder).is_dir()


@pytest.mark.parametrize("url", ["some/folder", "./some/folder", "with:colon"])
def test_relative_folders_are_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.chdir(tmp_path)

    started_at(url)

    assert (tmp_path / url).is_dir()


@pytest.mark.parametrize("url", ["memory:", "memory://", "MEMORY:"])
def test_memory_keeps_nothing_on_disk(url: str) -> None:
    assert isinstance(open_store(url), FakeBlobStore)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://bucket/path",
        "https://host/path",
        "memory://something",
        "file://host/path",
        "file://",
        "file:",
        "file:relative",
        "s3:/bucket",
        "file:///a?b",
        "file:///a#b",
        "file:///a%00b",
        "a\0b",
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        open_store(url)
    assert refusal.value.field == "artifacts"


def test_a_refusal_does_not_repeat_a_password() -> None:
    with pytest.raises(InvalidArgument) as refusal:
        open_store("s3://key:secret@host/bucket")
    assert "secret" not in refusal.value.message
