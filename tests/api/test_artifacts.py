"""Artifacts of runs and logged models: listings, downloads, uploads, and who owns a path."""

from __future__ import annotations

import hashlib
import random
from typing import Any
from urllib.parse import quote

from tests.api.conftest import Api, Reply, assert_refused

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
BYTES = {"Content-Type": "application/octet-stream"}


def root(api: Api, run: str) -> str:
    """The path of a run's artifacts below the proxy."""
    uri: str = api.get("runs/get", {"run_id": run}).ok()["run"]["info"]["artifact_uri"]
    assert uri.startswith("mlflow-artifacts:/default/")
    return uri.removeprefix("mlflow-artifacts:/")


def put(api: Api, path: str, content: bytes = b"x") -> Reply:
    """Upload through the proxy; `path` as it stands in an address."""
    return api.request("PUT", f"{PROXY}/{path}", content=content, headers=BYTES)


def get(api: Api, path: str, **headers: str) -> Reply:
    """Download through the proxy, with underscores for the dashes of header names."""
    return api.request("GET", f"{PROXY}/{path}", headers={k.replace("_", "-"): v for k, v in headers.items()})


def listed(api: Api, run: str, path: str | None = None) -> dict[str, int | None]:
    """artifacts/list: the size of each file, None for folders."""
    query = {"run_id": run} if path is None else {"run_id": run, "path": path}
    body = api.get("artifacts/list", query).ok()
    assert body["root_uri"].endswith(f"/{run}/artifacts")
    files = body.get("files", [])
    assert all(x["is_dir"] == ("file_size" not in x) for x in files)
    return {x["path"]: x.get("file_size") for x in files}


def model_root(api: Api) -> tuple[str, str]:
    """A new logged model and the path of its artifacts below the proxy."""
    info = api.post("logged-models", {"experiment_id": api.experiment()}).ok()["model"]["info"]
    return info["model_id"], info["artifact_uri"].removeprefix("mlflow-artifacts:/")


def test_files_come_back_as_they_were_uploaded(api: Api) -> None:
    # Given
    run = api.run()
    below = root(api, run)
    files = {
        "a.txt": b"hello",
        "empty": b"",
        "dir/sub/b.bin": bytes(range(256)) * 5000,
        "dir/größer, 100% é 日本 (1)+&=;~'.txt": b"odd",
        ".hidden": b"h",
        "...": b"dots",
        "dir/" + "x" * 255: b"long",
    }
    # When
    for path, content in files.items():
        assert put(api, f"{below}/{quote(path)}", content).ok() == {}
    # Then
    for path, content in files.items():
        for reply in (
            get(api, f"{below}/{quote(path)}"),
            api.get("/get-artifact", {"run_id": run, "path": path}),
            api.get("/get-artifact", {"run_uuid": run, "path": path}),
        ):
            assert (reply.status, reply.content) == (200, content)
            assert int(reply.headers["content-length"]) == len(content)
            assert reply.headers["x-content-type-options"] == "nosniff"
            assert reply.headers["content-disposition"].startswith("attachment")
    assert (
        listed(api, run)
        == listed(api, run, "")
        == {".hidden": 1, "...": 4, "a.txt": 5, "dir": None, "empty": 0}
    )
    assert listed(api, run, "dir") == listed(api, run, "dir/")
    assert set(listed(api, run, "dir")) == {"dir/" + p[4:] for p in files if p.count("/") == 1} | {"dir/sub"}
    assert listed(api, run, "dir/sub") == {"dir/sub/b.bin": 1_280_000}
    assert listed(api, run, "nothing") == listed(api, run, "a.txt") == {}


def test_the_proxy_lists_names(api: Api) -> None:
    # Given
    below = root(api, api.run())
    put(api, f"{below}/dir/b.txt", b"22").ok()
    # Then
    for path, names in ((below, ["dir"]), (f"{below}/dir/", ["b.txt"]), (f"{below}/no", [])):
        body = api.get(PROXY, {"path": path}).ok()
        assert [x["path"] for x in body.get("files", [])] == names
        assert "root_uri" not in body
    assert_refused({"": api.get(PROXY)}, {"": "path"})


def test_an_upload_replaces_the_file(api: Api) -> None:
    # Given
    run = api.run()
    path = f"{root(api, run)}/a.txt"
    put(api, path, b"first").ok()
    tag = get(api, path).headers["etag"]
    # When
    put(api, path, b"2nd").ok()
    # Then
    assert get(api, path).content == b"2nd"
    assert get(api, path).headers["etag"] != tag
    assert listed(api, run) == {"a.txt": 3}
    # Then: a file can't be a folder, nor a folder a file
    for other in (f"{path}/below", f"{root(api, run)}/dir", f"{root(api, run)}/dir/x/y"):
        put(api, f"{root(api, run)}/dir/x", b"x").ok()
        assert put(api, other).error == INVALID


def test_a_file_is_told_by_its_type(api: Api) -> None:
    # Given
    below = root(api, api.run())
    # Then
    for name, kind in (
        ("a.json", "application/json"),
        ("b.png", "image/png"),
        ("c", "application/octet-stream"),
    ):
        put(api, f"{below}/{name}", b"{}").ok()
        assert get(api, f"{below}/{name}").headers["content-type"] == kind


def test_part_of_a_file_may_be_asked_for(api: Api) -> None:
    # Given
    path = f"{root(api, api.run())}/a.bin"
    content = bytes(range(256)) * 3000
    put(api, path, content).ok()
    size = len(content)
    tag = get(api, path).headers["etag"]
    # Then
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("bytes=5-9", 5, 10),
        ("bytes=700000-", 700_000, size),
        ("bytes=-3", size - 3, size),
        (f"bytes=10-{size * 2}", 10, size),
        (f"bytes=-{size * 2}", 0, size),
    ):
        reply = get(api, path, Range=asked)
        assert (reply.status, reply.content) == (206, content[start:stop])
        assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert int(reply.headers["content-length"]) == stop - start
        assert get(api, path, Range=asked, If_Range=tag).status == 206
        assert get(api, path, Range=asked, If_Range='"other"').status == 200
    for asked in ("bytes=9-5", "bytes=0-1,3-4", "lines=1-2", "bytes=x-", "5"):
        assert (get(api, path, Range=asked).status, get(api, path, Range=asked).content) == (200, content)
    for asked in (f"bytes={size}-", "bytes=-0"):
        assert get(api, path, Range=asked).error == (416, "BAD_REQUEST")


def test_an_unchanged_file_needs_no_download(api: Api) -> None:
    # Given
    path = f"{root(api, api.run())}/a.txt"
    put(api, path, b"hello").ok()
    tag = get(api, path).headers["etag"]
    # Then
    for asked in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        reply = get(api, path, If_None_Match=asked)
        assert (reply.status, reply.content) == (304, b"")
        assert reply.headers["etag"] == tag
    assert get(api, path, If_None_Match='"other"').content == b"hello"


def test_head_tells_of_a_file_without_its_content(api: Api) -> None:
    # Given
    path = f"{root(api, api.run())}/a.txt"
    put(api, path, b"hello").ok()
    # When
    reply = api.request("HEAD", f"{PROXY}/{path}")
    # Then
    assert (reply.status, reply.content) == (200, b"")
    assert reply.headers["content-length"] == "5"
    assert reply.headers["etag"] == get(api, path).headers["etag"]
    assert api.request("HEAD", f"{PROXY}/{path}.no").status == 404
    assert api.request("HEAD", f"{PROXY}/{path}", headers={"Range": "bytes=1-2"}).status == 206


def test_files_and_folders_are_deleted(api: Api) -> None:
    # Given
    run, other = api.run(), api.run()
    below = root(api, run)
    for path in ("a", "dir/b", "dir/sub/c", "dirt"):
        put(api, f"{below}/{path}").ok()
    put(api, f"{root(api, other)}/dir/b").ok()
    # When
    for path in ("a", "dir/", "dir", "never"):
        assert api.request("DELETE", f"{PROXY}/{below}/{path}").ok() == {}
    # Then
    assert listed(api, run) == {"dirt": 1}
    assert get(api, f"{below}/dir/sub/c").error == MISSING
    # When: the root of a run with all that is in it
    api.request("DELETE", f"{PROXY}/{below}").ok()
    # Then
    assert listed(api, run) == {}
    assert listed(api, other) == {"dir": None}
    put(api, f"{below}/again").ok()
    # Then: nothing above a run can be deleted
    for path in ("default", below.rsplit("/", 2)[0], below.rsplit("/", 1)[0]):
        assert api.request("DELETE", f"{PROXY}/{path}").error == INVALID
    assert listed(api, run) == {"again": 1}


def test_upload_artifact_takes_a_file_of_a_run(api: Api) -> None:
    # Given
    run = api.run()
    # When
    for name, query, content in (
        ("a/b.txt", f"run_uuid={run}&path=a/b.txt", b"hello"),
        ("empty", f"run_id={run}&path=empty", b""),
    ):
        reply = api.request(
            "POST", f"/ajax-api/2.0/mlflow/upload-artifact?{query}", content=content, headers=BYTES
        )
        # Then
        assert reply.ok() == {}
        assert get(api, f"{root(api, run)}/{name}").content == content
    cases: dict[str, tuple[str, str, tuple[int, str]]] = {
        "no run": ("path=x", "run_id", INVALID),
        "no path": (f"run_id={run}", "path", INVALID),
        "unknown run": ("run_id=nope&path=x", "run_id", MISSING),
        "upwards": (f"run_id={run}&path=../x", "path", INVALID),
        "absolute": (f"run_id={run}&path=/x", "path", INVALID),
        "no name": (f"run_id={run}&path=x/", "path", INVALID),
        "hash": (f"run_id={run}&path=x%23", "path", INVALID),
    }
    for query, field, error in cases.values():
        reply = api.request("POST", f"/api/2.0/mlflow/upload-artifact?{query}", content=b"x", headers=BYTES)
        assert (reply.error, reply.field) == (error, field)
    assert listed(api, run) == {"a": None, "empty": 0}


def test_files_of_a_logged_model(api: Api) -> None:
    # Given
    model, below = model_root(api)
    put(api, f"{below}/MLmodel", b"flavors").ok()
    put(api, f"{below}/data/model.bin", b"12345").ok()
    # Then
    base = f"logged-models/{model}/artifacts"
    for folder, names in ((None, ["MLmodel", "data"]), ("data", ["data/model.bin"]), ("no", [])):
        query = {} if folder is None else {"artifact_directory_path": folder}
        body = api.get(f"{base}/directories", query).ok()
        assert body["root_uri"] == f"mlflow-artifacts:/{below}"
        assert [x["path"] for x in body.get("files", [])] == names
    for version in ("/api/2.0", "/ajax-api/2.0"):
        reply = api.get(f"{version}/mlflow/{base}/files", {"artifact_file_path": "data/model.bin"})
        assert (reply.status, reply.content) == (200, b"12345")
    assert get(api, f"{below}/MLmodel").content == b"flavors"
    for query, error in (
        ({}, INVALID),
        ({"artifact_file_path": "no"}, MISSING),
        ({"artifact_file_path": "../x"}, INVALID),
    ):
        assert api.get(f"{base}/files", query).error == error
    assert api.get(f"{base}/directories", {"artifact_directory_path": ".."}).error == INVALID
    for path in ("directories", "files"):
        query = {"artifact_file_path": "MLmodel"}
        assert api.get(f"logged-models/m-nope/artifacts/{path}", query).error == MISSING


def test_a_deleted_owner_keeps_its_files_and_takes_no_more(api: Api) -> None:
    # Given
    run = api.run()
    model, below_model = model_root(api)
    roots = [root(api, run), below_model]
    for below in roots:
        put(api, f"{below}/a", b"kept").ok()
    api.post("runs/delete", {"run_id": run}).ok()
    api.delete(f"logged-models/{model}").ok()
    # Then
    for below in roots:
        assert get(api, f"{below}/a").content == b"kept"
        for method, path in (
            ("PUT", f"{PROXY}/{below}/b"),
            ("DELETE", f"{PROXY}/{below}/a"),
            ("PUT", f"/api/2.0/mlflow-artifacts/mpu/part/{'0' * 32}/1/{below}/b"),
        ):
            reply = api.request(method, path, content=b"x", headers=BYTES)
            assert reply.error == INVALID
            assert "restore it first" in reply.message
    upload = f"/ajax-api/2.0/mlflow/upload-artifact?run_uuid={run}&path=b"
    assert api.request("POST", upload, content=b"x", headers=BYTES).error == INVALID
    assert listed(api, run) == {"a": 4}
    # When
    api.post("runs/restore", {"run_id": run}).ok()
    # Then
    put(api, f"{roots[0]}/b").ok()
    assert listed(api, run) == {"a": 4, "b": 1}


def test_a_path_belongs_to_its_owner(api: Api) -> None:
    # Given
    run = api.run()
    below = root(api, run)
    experiment = below.split("/")[1]
    model, below_model = model_root(api)
    # Then
    nobody = [
        f"default/{experiment}/{'0' * 32}/artifacts/x",
        f"default/{int(experiment) + 1}/{run}/artifacts/x",
        f"default/{experiment}0/{run}/artifacts/x",
        f"default/0{experiment}/{run}/artifacts/x",
        f"default/{experiment}/models/m-nope/artifacts/x",
        f"default/{experiment}/models/{model}/artifacts/x",
        f"default/{below_model.split('/')[1]}/models/{run}/artifacts/x",
    ]
    outside = [
        "x",
        "default/x",
        f"default/{experiment}/x",
        f"default/{experiment}/{run}/x",
        f"default/{experiment}/{run}",
        f"other/{experiment}/{run}/artifacts/x",
        f"Default/{experiment}/{run}/artifacts/x",
        f"default/{experiment}/{run}/Artifacts/x",
        f"default/{experiment}/models/{model}/x",
        ".runyard-internal/x",
    ]
    for paths, error in ((nobody, MISSING), (outside, INVALID)):
        for path in paths:
            for method in ("GET", "PUT", "DELETE"):
                reply = api.request(method, f"{PROXY}/{path}", content=b"x", headers=BYTES)
                assert reply.error == error, (method, path)
            assert api.get(PROXY, {"path": path}).error == error, path


def test_uploads_are_stored_whole_whatever_their_size(api: Api) -> None:
    # Given
    run = api.run()
    content = random.Random(1).randbytes(12_000_000)
    # When
    put(api, f"{root(api, run)}/big.bin", content).ok()
    # Then
    found = get(api, f"{root(api, run)}/big.bin").content
    assert hashlib.sha256(found).digest() == hashlib.sha256(content).digest()
    assert listed(api, run) == {"big.bin": len(content)}


def test_artifacts_elsewhere_are_not_reached(api: Api) -> None:
    # Given
    run = api.run(api.experiment(artifact_location="s3://bucket/p"))
    # Then
    cases: list[tuple[str, dict[str, Any]]] = [
        ("artifacts/list", {"run_id": run}),
        ("/get-artifact", {"run_id": run, "path": "a"}),
    ]
    for path, query in cases:
        reply = api.get(path, query)
        assert reply.error == (501, "NOT_IMPLEMENTED")
        assert "s3://bucket/p" in reply.message


def test_looking_for_artifacts_of_nobody(api: Api) -> None:
    for query, error in (({"run_id": "nope"}, MISSING), ({}, INVALID), ({"run_id": ""}, INVALID)):
        assert api.get("artifacts/list", query).error == error
        assert api.get("/get-artifact", {**query, "path": "a"}).error == error
    run = api.run()
    for path, error in (("a", MISSING), ("", INVALID), ("../a", INVALID), ("a//b", INVALID)):
        assert api.get("/get-artifact", {"run_id": run, "path": path}).error == error
