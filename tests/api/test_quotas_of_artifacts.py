"""Quotas of bytes: nothing of a file that is too large stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runyard.server.artifacts import BlobPath, UploadId, UploadPart, Written
from runyard.server.artifacts.local import LocalBlobStore
from tests.api.conftest import Api, Reply
from tests.api.test_quotas import FULL, limit, told
from tests.api.trash_data import purge

ARTIFACTS = "/api/2.0/mlflow-artifacts"


class Files:
    """A run's and a model's artifacts."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.experiment = api.experiment()
        self.run = api.run(self.experiment)
        model = api.post("logged-models", {"experiment_id": self.experiment}).ok()["model"]["info"][
            "model_id"
        ]
        self.root = f"default/{self.experiment}/{self.run}/artifacts"
        self.model_root = f"default/{self.experiment}/models/{model}/artifacts"

    def put(self, name: str, size: int, root: str | None = None) -> Reply:
        """Upload a file of so many bytes."""
        at = f"{ARTIFACTS}/artifacts/{root or self.root}/{name}"
        return self.api.request("PUT", at, content=b"x" * size)

    def begin(self, name: str) -> str:
        """Begin an upload in two parts; returns its id."""
        sent = {"path": name, "num_parts": 2}
        found: str = self.api.post(f"{ARTIFACTS}/mpu/create/{self.root}", sent).ok()["upload_id"]
        return found

    def part(self, upload: str, name: str, number: int, size: int) -> Reply:
        """Upload a part."""
        at = f"{ARTIFACTS}/mpu/part/{upload}/{number}/{self.root}/{name}"
        return self.api.request("PUT", at, content=b"x" * size)

    def complete(self, upload: str, name: str, tags: list[str]) -> Reply:
        """Join the parts."""
        parts = [{"part_number": i, "etag": tag} for i, tag in enumerate(tags, 1)]
        sent = {"path": name, "upload_id": upload, "parts": parts}
        return self.api.post(f"{ARTIFACTS}/mpu/complete/{self.root}", sent)

    def delete(self, name: str) -> None:
        """Move a file to the trash."""
        self.api.delete(f"{ARTIFACTS}/artifacts/{self.root}/{name}").ok()

    def of_run(self) -> int:
        """What is used of the run's quota of bytes."""
        quotas = self.api.get(f"/api/runyard/1/runs/{self.run}/quotas").ok()["items"]
        return int(next(one["used"] for one in quotas if one["name"] == "artifact_bytes_per_run"))

    def stored(self) -> Mapping[str, int]:
        """What the workspace's details say of its files."""
        found: Mapping[str, int] = self.api.get("/api/runyard/1/workspaces/default").ok()["storage"]
        return found


@pytest.mark.parametrize("scope", ["run", "experiment", "workspace"])
def test_bytes_of_artifacts(api: Api, scope: str) -> None:
    # Given
    files = Files(api)
    limit(api, **{f"artifact_bytes_per_{scope}": 100})
    files.put("a", 60).ok()
    # When
    reply = files.put("b", 41)
    # Then
    assert told(reply) == (f"artifact_bytes_per_{scope}", 60, 100, 41)
    assert api.get(f"{ARTIFACTS}/artifacts/{files.root}/b").status == 404
    assert files.stored() == {"bytes": 60, "files": 1}
    assert files.put("b", 40).status == 200
    # And a file in the place of another takes only what it has more
    assert files.put("a", 60).status == 200
    assert files.put("a", 61).error == FULL
    assert files.put("a", 20).status == 200
    assert files.stored() == {"bytes": 60, "files": 2}
    # And what is deleted makes room when it is purged
    api.delete(f"{ARTIFACTS}/artifacts/{files.root}/a").ok()
    assert files.put("c", 60).error == FULL
    assert files.stored() == {"bytes": 60, "files": 2}
    told_of = purge(api, kind=["artifact"])
    assert (told_of["artifacts"], told_of["artifact_bytes"]) == (1, 20)
    assert files.put("c", 60).status == 200
    # And models are of the experiment, not of a run
    assert files.put("m", 1, files.model_root).status == (200 if scope == "run" else 403)


def test_bytes_that_come_without_a_length_are_stopped(api: Api) -> None:
    # Given
    files = Files(api)
    limit(api, artifact_bytes_per_run=100)
    # When
    at = f"upload-artifact?run_id={files.run}&path=a"
    reply = api.request("POST", at, content=b"x" * 101)
    # Then
    assert told(reply) == ("artifact_bytes_per_run", 0, 100, 101)
    assert files.stored() == {"bytes": 0, "files": 0}
    assert api.request("POST", at, content=b"x" * 100).status == 200


def test_uploads_at_once_share_the_room(api: Api) -> None:
    # Given
    files = Files(api)
    limit(api, artifact_bytes_per_experiment=1_000_000)
    # When
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda i: files.put(f"f{i}", 400_000), range(8)))
    # Then
    assert sorted(reply.status for reply in replies) == [200] * 2 + [403] * 6
    assert files.stored() == {"bytes": 800_000, "files": 2}
    assert files.put("rest", 200_000).status == 200


def test_uploads_in_parts(api: Api) -> None:
    # Given
    files = Files(api)
    limit(api, artifact_bytes_per_run=100)

    # When
    upload = files.begin("big")
    first = files.part(upload, "big", 1, 60)
    assert first.status == 200
    # Then: parts that wait take room
    assert files.part(upload, "big", 2, 41).error == FULL
    assert files.put("small", 41).error == FULL
    second = files.part(upload, "big", 2, 40)
    assert second.status == 200
    tags = [reply.headers["etag"] for reply in (first, second)]
    assert files.complete(upload, "big", tags).status == 200
    assert files.stored() == {"bytes": 100, "files": 1}
    # And again changes nothing
    assert files.complete(upload, "big", tags).status == 200
    assert files.stored() == {"bytes": 100, "files": 1}
    assert files.put("small", 1).error == FULL
    # And an upload that is dropped gives its room back
    api.delete(f"{ARTIFACTS}/artifacts/{files.root}/big").ok()
    purge(api)
    upload = files.begin("other")
    assert files.part(upload, "other", 1, 90).status == 200
    assert files.put("small", 20).error == FULL
    api.post(f"{ARTIFACTS}/mpu/abort/{files.root}", {"path": "other", "upload_id": upload}).ok()
    assert files.put("small", 20).status == 200


def on_disk(folder: Path) -> dict[str, int]:
    """What the store's files are, those in the trash included."""
    sizes = [path.stat().st_size for path in (folder / "artifacts" / "default").rglob("*") if path.is_file()]
    return {"bytes": sum(sizes), "files": len(sizes)}


def test_a_file_that_is_deleted_during_an_upload_keeps_its_room(api: Api, tmp_path: Path) -> None:
    # Given
    files = Files(api)
    limit(api, artifact_bytes_per_run=2_500)
    files.put("f", 1_000).ok()

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 500
        await asyncio.to_thread(files.delete, "f")
        yield b"x" * 500

    statuses = []
    for _ in range(5):
        # When
        at = f"{ARTIFACTS}/artifacts/{files.root}/f"
        statuses.append(api.request("PUT", at, content=slow()).status)
        # Then
        assert files.stored() == on_disk(tmp_path)
        assert files.of_run() == files.stored()["bytes"]
    assert statuses == [200, 200, 403, 403, 403]
    purge(api, kind=["artifact"])
    assert (files.stored(), files.of_run()) == (on_disk(tmp_path), 0)


def test_a_file_that_comes_during_an_upload_is_replaced(api: Api, tmp_path: Path) -> None:
    files = Files(api)

    async def slow() -> AsyncIterator[bytes]:
        yield b"x" * 500
        assert (await asyncio.to_thread(files.put, "f", 70)).status == 200
        yield b"x" * 500

    assert api.request("PUT", f"{ARTIFACTS}/artifacts/{files.root}/f", content=slow()).status == 200
    assert files.stored() == on_disk(tmp_path) == {"bytes": 1_000, "files": 1}
    assert files.of_run() == 1_000


def test_a_file_that_is_deleted_while_parts_are_joined_keeps_its_room(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    files = Files(api)
    join = LocalBlobStore.complete_upload

    async def late(
        store: LocalBlobStore, path: BlobPath, upload: UploadId, parts: Sequence[UploadPart]
    ) -> Written:
        await asyncio.to_thread(files.delete, "f")
        return await join(store, path, upload, parts)

    files.put("f", 70).ok()
    upload = files.begin("f")
    tags = [files.part(upload, "f", number, 50).headers["etag"] for number in (1, 2)]
    # When
    with monkeypatch.context() as patched:
        patched.setattr(LocalBlobStore, "complete_upload", late)
        assert files.complete(upload, "f", tags).status == 200
    # Then
    assert files.stored() == on_disk(tmp_path) == {"bytes": 170, "files": 2}
    # And when the client says it again, whatever has become of the file
    files.delete("f")
    assert files.complete(upload, "f", tags).status == 200
    assert files.stored() == {"bytes": 170, "files": 2}
    files.put("f", 20).ok()
    assert files.complete(upload, "f", tags).status == 200
    assert files.stored() == on_disk(tmp_path) == {"bytes": 190, "files": 3}
    assert files.of_run() == 190
