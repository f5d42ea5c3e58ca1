"""mlflow-artifacts/mpu: create, part, complete, abort."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tests.api.conftest import Api, Reply, assert_refused
from tests.api.test_artifacts import BYTES, INVALID, MISSING, get, listed, model_root, put, root

MPU = "/api/2.0/mlflow-artifacts/mpu"


def create(api: Api, folder: str, name: str, parts: int) -> tuple[str, list[str]]:
    """Begin an upload; returns its id and the path of each part's address."""
    body = api.post(f"{MPU}/create/{folder}", {"path": name, "num_parts": parts}).ok()
    assert [x["part_number"] for x in body["credentials"]] == list(range(1, parts + 1))
    urls = [x["url"] for x in body["credentials"]]
    assert {url[: url.index("/api/")] for url in urls} == {"http://127.0.0.1"}
    return body["upload_id"], [urlsplit(url).path for url in urls]


def send(api: Api, url: str, content: bytes) -> str:
    """Upload a part; returns its ETag as clients send it back."""
    reply = api.request("PUT", url, content=content, headers=BYTES)
    assert (reply.status, reply.content) == (200, b"")
    return reply.headers["etag"]


def complete(api: Api, folder: str, name: str, upload: str, tags: dict[int, str]) -> Reply:
    """End an upload with the parts' numbers and ETags."""
    parts = [{"part_number": number, "etag": tag} for number, tag in tags.items()]
    return api.post(f"{MPU}/complete/{folder}", {"path": name, "upload_id": upload, "parts": parts})


def test_a_file_goes_up_in_parts(api: Api) -> None:
    # Given
    run = api.run()
    _, below_model = model_root(api)
    contents = [b"a" * 100_000, b"", b"b", bytes(range(256)) * 999]
    for folder in (root(api, run), f"{root(api, run)}/dir/größer", below_model):
        upload, urls = create(api, folder, "big file.bin", 4)
        # When: in any order, one of them twice
        send(api, urls[0], b"first try")
        tags = {i + 1: send(api, urls[i], contents[i]) for i in (3, 0, 2, 1)}
        # Then: there is nothing before the end
        assert get(api, f"{folder}/big%20file.bin").error == MISSING
        # When
        assert complete(api, folder, "big file.bin", upload, tags).ok() == {}
        # Then
        assert get(api, f"{folder}/big%20file.bin").content == b"".join(contents)
        # Then: an answer that got lost may be asked for again
        assert complete(api, folder, "big file.bin", upload, tags).ok() == {}
    assert listed(api, run) == {"big file.bin": sum(map(len, contents)), "dir": None}


def test_the_parts_that_are_named_make_the_file(api: Api) -> None:
    # Given
    folder = root(api, api.run())
    upload, urls = create(api, folder, "a", 3)
    tags = {i + 1: send(api, urls[i], bytes([65 + i])) for i in range(3)}
    # When: unquoted, as numbers in texts, out of order
    parts = [{"part_number": str(i), "etag": tags[i].strip('"')} for i in (3, 1)]
    api.post(f"{MPU}/complete/{folder}", {"path": "a", "upload_id": upload, "parts": parts}).ok()
    # Then
    assert get(api, f"{folder}/a").content == b"AC"


def test_the_client_may_send_the_whole_path_of_its_file(api: Api) -> None:
    """MLflow's clients send the path on their own disk; only its last name counts."""
    # Given
    folder = root(api, api.run())
    for name in ("/home/me/model.bin", "C:\\Users\\me\\model.bin", "../model.bin"):
        # When
        upload, urls = create(api, folder, name, 1)
        complete(api, folder, name, upload, {1: send(api, urls[0], name.encode())}).ok()
        # Then
        assert get(api, f"{folder}/model.bin").content == name.encode()


def test_an_upload_can_be_dropped(api: Api) -> None:
    # Given
    run = api.run()
    folder = root(api, run)
    upload, urls = create(api, folder, "a", 1)
    tag = send(api, urls[0], b"x")
    # When
    for _ in range(2):
        assert api.post(f"{MPU}/abort/{folder}", {"path": "a", "upload_id": upload}).ok() == {}
    # Then
    assert complete(api, folder, "a", upload, {1: tag}).error == MISSING
    assert api.request("PUT", urls[0], content=b"x", headers=BYTES).error == MISSING
    assert listed(api, run) == {}


def test_uploads_know_their_file(api: Api) -> None:
    # Given
    folder, other = root(api, api.run()), root(api, api.run())
    upload, urls = create(api, folder, "a", 1)
    tag = send(api, urls[0], b"x")
    # Then
    for place, name in ((folder, "b"), (other, "a"), (f"{folder}/dir", "a")):
        assert complete(api, place, name, upload, {1: tag}).error == MISSING
    assert api.request("PUT", f"{urls[0]}b", content=b"x", headers=BYTES).error == MISSING
    complete(api, folder, "a", upload, {1: tag}).ok()


def test_what_an_upload_in_parts_refuses(api: Api) -> None:
    # Given
    run = api.run()
    folder = root(api, run)
    upload, urls = create(api, folder, "a", 2)
    tag = send(api, urls[0], b"x")
    send(api, urls[1], b"y")
    one = {"part_number": 1, "etag": tag}
    cases: dict[str, tuple[str, dict[str, Any], str]] = {
        "no name": ("create", {"num_parts": 1}, "path"),
        "no last name": ("create", {"path": "a/", "num_parts": 1}, "path"),
        "dots": ("create", {"path": "..", "num_parts": 1}, "path"),
        "no parts": ("create", {"path": "a", "num_parts": -1}, "num_parts"),
        "too many": ("create", {"path": "a", "num_parts": 10_001}, "num_parts"),
        "a word": ("create", {"path": "a", "num_parts": "x"}, "num_parts"),
        "complete without id": ("complete", {"path": "a", "parts": [one]}, "upload_id"),
        "complete without name": ("complete", {"upload_id": upload, "parts": [one]}, "path"),
        "nothing": ("complete", {"path": "a", "upload_id": upload}, "parts"),
        "no part": ("complete", {"path": "a", "upload_id": upload, "parts": []}, "parts"),
        "no number": (
            "complete",
            {"path": "a", "upload_id": upload, "parts": [{"etag": tag}]},
            "parts[0].part_number",
        ),
        "no tag": (
            "complete",
            {"path": "a", "upload_id": upload, "parts": [one, {"part_number": 2}]},
            "parts[1].etag",
        ),
        "twice": (
            "complete",
            {"path": "a", "upload_id": upload, "parts": [one, one]},
            "parts[1].part_number",
        ),
        "wrong tag": (
            "complete",
            {"path": "a", "upload_id": upload, "parts": [one, {"part_number": 2, "etag": tag}]},
            "parts[1].etag",
        ),
        "path as tag": (
            "complete",
            {"path": "a", "upload_id": upload, "parts": [{"part_number": 1, "etag": "../../x"}]},
            "parts[0].etag",
        ),
        "abort without id": ("abort", {"path": "a"}, "upload_id"),
        "abort without name": ("abort", {"upload_id": upload}, "path"),
    }
    # When
    replies = {name: api.post(f"{MPU}/{verb}/{folder}", sent) for name, (verb, sent, _) in cases.items()}
    # Then
    assert_refused(replies, {name: field for name, (_, _, field) in cases.items()})
    for name in ("nope", "../" * 3, "0" * 32, "", "x" * 5000):
        sent = {"path": "a", "upload_id": name, "parts": [one]}
        assert api.post(f"{MPU}/complete/{folder}", sent).error == (MISSING if name else INVALID)
    for number in ("0", "10001", "x", "-1", "²", "1.5", "9" * 30):
        address = urls[0].replace(f"{upload}/1/", f"{upload}/{number}/")
        assert api.request("PUT", address, content=b"x", headers=BYTES).error == INVALID, number
    assert listed(api, run) == {}


def test_a_deleted_run_takes_no_upload_in_parts(api: Api) -> None:
    # Given
    run = api.run()
    folder = root(api, run)
    upload, urls = create(api, folder, "a", 1)
    tag = send(api, urls[0], b"x")
    api.post("runs/delete", {"run_id": run}).ok()
    # Then
    for reply in (
        api.post(f"{MPU}/create/{folder}", {"path": "b", "num_parts": 1}),
        api.request("PUT", urls[0], content=b"x", headers=BYTES),
        complete(api, folder, "a", upload, {1: tag}),
    ):
        assert reply.error == INVALID
        assert "restore it first" in reply.message
    # When
    api.post("runs/restore", {"run_id": run}).ok()
    # Then
    complete(api, folder, "a", upload, {1: tag}).ok()
    assert listed(api, run) == {"a": 1}


def test_nobody_elses_paths_take_uploads_in_parts(api: Api) -> None:
    experiment = root(api, api.run()).split("/")[1]
    for folder, error in (
        (f"default/{experiment}/{'0' * 32}/artifacts", MISSING),
        (f"default/{experiment}", INVALID),
        ("elsewhere", INVALID),
    ):
        assert api.post(f"{MPU}/create/{folder}", {"path": "a", "num_parts": 1}).error == error
        assert put(api, f"{folder}/a").error == error
