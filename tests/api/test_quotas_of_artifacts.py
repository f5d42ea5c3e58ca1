"""Quotas of bytes: nothing of a file that is too large stays."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

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

    def begin(name: str) -> str:
        sent = {"path": name, "num_parts": 2}
        found: str = api.post(f"{ARTIFACTS}/mpu/create/{files.root}", sent).ok()["upload_id"]
        return found

    def part(upload: str, name: str, number: int, size: int) -> Reply:
        at = f"{ARTIFACTS}/mpu/part/{upload}/{number}/{files.root}/{name}"
        return api.request("PUT", at, content=b"x" * size)

    def complete(upload: str, name: str, tags: list[str]) -> Reply:
        parts = [{"part_number": i, "etag": tag} for i, tag in enumerate(tags, 1)]
        sent = {"path": name, "upload_id": upload, "parts": parts}
        return api.post(f"{ARTIFACTS}/mpu/complete/{files.root}", sent)

    # When
    upload = begin("big")
    first = part(upload, "big", 1, 60)
    assert first.status == 200
    # Then: parts that wait take room
    assert part(upload, "big", 2, 41).error == FULL
    assert files.put("small", 41).error == FULL
    second = part(upload, "big", 2, 40)
    assert second.status == 200
    tags = [reply.headers["etag"] for reply in (first, second)]
    assert complete(upload, "big", tags).status == 200
    assert files.stored() == {"bytes": 100, "files": 1}
    # And again changes nothing
    assert complete(upload, "big", tags).status == 200
    assert files.stored() == {"bytes": 100, "files": 1}
    assert files.put("small", 1).error == FULL
    # And an upload that is dropped gives its room back
    api.delete(f"{ARTIFACTS}/artifacts/{files.root}/big").ok()
    purge(api)
    upload = begin("other")
    assert part(upload, "other", 1, 90).status == 200
    assert files.put("small", 20).error == FULL
    api.post(f"{ARTIFACTS}/mpu/abort/{files.root}", {"path": "other", "upload_id": upload}).ok()
    assert files.put("small", 20).status == 200
