"""Spellings of artifact paths that must lead nowhere but to the owner's folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from tests.api.conftest import Api
from tests.api.test_artifacts import BYTES, INVALID, MISSING, PROXY, get, listed, put, root

REFUSED = (INVALID, (400, "BAD_REQUEST"))
# As they stand in an address.
TRAVERSALS = [
    "%2e%2e/x",
    "%2E%2E%2Fx",
    "a/%2e%2e/x",
    "a/%2e%2e/%2e%2e/%2e%2e/x",
    "..%2fx",
    "..%2f..%2f..%2fetc%2fpasswd",
    "%252e%252e/x",
    "%252e%252e%252fx",
    "%25252e%25252e%25252fx",
    "..%255c..%255cx",
    "..%5cx",
    "a%5c..%5cx",
    "%5c%5chost%5cx",
    "%2fetc%2fpasswd",
    "a%2f%2fb",
    "a//b",
    "%2e",
    "a/%2e/b",
    "C%3a/x",
    "C:%5cx",
    "a%00b",
    "a%2500b",
    "a%0ab",
    "a%7fb",
    "a%c2%85b",
    "%ff%fe",
    "a%ed%a0%80",
    "%c0%ae%c0%ae/x",
]
TOO_LONG = ["x" * 256, "/".join("d" * 200), "ü" * 128, "/".join(["d" * 200] * 30)]
UNLISTABLE = ["%23", "a%23b", "a/%23/b"]


def test_no_spelling_leads_out_of_the_owners_folder(api: Api, tmp_path: Path) -> None:
    # Given
    run, other = api.run(), api.run()
    below = root(api, run)
    put(api, f"{root(api, other)}/secret", b"classified").ok()
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    spellings = [*TRAVERSALS, *map(quote, TOO_LONG), f"%2e%2e/%2e%2e/{other}/artifacts/secret"]
    # When, Then
    for spelling in spellings:
        for method, path in (
            ("GET", f"{PROXY}/{below}/{spelling}"),
            ("PUT", f"{PROXY}/{below}/{spelling}"),
            ("DELETE", f"{PROXY}/{below}/{spelling}"),
            ("PUT", f"/api/2.0/mlflow-artifacts/mpu/part/{'0' * 32}/1/{below}/{spelling}"),
            ("GET", f"/get-artifact?run_id={run}&path={spelling}"),
            ("POST", f"/api/2.0/mlflow/upload-artifact?run_id={run}&path={spelling}"),
            ("GET", f"/api/2.0/mlflow/artifacts/list?run_id={run}&path={spelling}"),
            ("GET", f"{PROXY}?path={below}/{spelling}"),
        ):
            reply = api.request(method, path, content=b"x", headers=BYTES)
            assert reply.error in REFUSED, (method, path, reply)
            assert b"classified" not in reply.content
            assert b"Traceback" not in reply.content
    assert listed(api, run) == {}
    assert {path for path in tmp_path.rglob("*") if path.is_file()} - before == set()


def test_names_that_clients_cannot_list_are_refused(api: Api) -> None:
    # Given
    run = api.run()
    below = root(api, run)
    for spelling in UNLISTABLE:
        # When
        replies = [
            put(api, f"{below}/{spelling}"),
            api.request(
                "POST",
                f"/api/2.0/mlflow/upload-artifact?run_id={run}&path={spelling}",
                content=b"x",
                headers=BYTES,
            ),
            api.post(
                f"/api/2.0/mlflow-artifacts/mpu/create/{below}/{spelling}", {"path": "x", "num_parts": 1}
            ),
        ]
        # Then
        for reply in replies:
            assert (reply.error, reply.field) == (INVALID, "path")
            assert "rename the file" in reply.message
        assert get(api, f"{below}/{spelling}").error == MISSING
    assert listed(api, run) == {}


def test_an_upload_names_a_file(api: Api) -> None:
    run = api.run()
    for path in ("x/", "x//", ""):
        reply = put(api, f"{root(api, run)}/{path}")
        assert reply.error == INVALID, path
    assert listed(api, run) == {}


def test_a_name_stays_as_it_is_spelt(api: Api) -> None:
    # Given
    run = api.run()
    names = [
        "loss%step%23%timestamp%1700000000000%9f.png",
        "a%20b",
        "100%",
        "a+b",
        "a?b",
        "a&b=c",
        "x:y",
        "é",
        "e\u0301",
        "CON",
        "a*",
        '"',
        "<b>",
        "\u202e",
    ]
    # When
    for name in names:
        put(api, f"{root(api, run)}/{quote(name)}", name.encode()).ok()
    # Then
    assert sorted(listed(api, run)) == sorted(names)
    for name in names:
        reply = get(api, f"{root(api, run)}/{quote(name)}")
        assert reply.content == name.encode()
        assert "\n" not in reply.headers["content-disposition"]
