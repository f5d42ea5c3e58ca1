"""GET /folders, GET /folders/experiments, POST /folders/move: experiments by their paths."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.api.conftest import Api, Reply
from tests.api.test_races import ROUNDS, pair
from tests.api.trash_data import events, item, trash

__all__ = ["pair"]

FOLDERS = "/api/runyard/1/folders"
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")
NAMES = (
    "/Shared/a/x",
    "/Shared/a/y",
    "/Shared/a/deep/er/z",
    "/Shared/a-b/x",
    "/Shared/a",
    "/Shared/b/x",
    "/Shared//odd",
    "/Shared//odd/x",
    "/top",
    "plain/x",
    "plain",
    "plain/slash/",
    "größe/实/x",
    "/Other/gone",
)


def folders(api: Api, path: str = "/", **query: Any) -> list[tuple[str, int, int]]:
    """Path and counts of the folders below one."""
    found = api.get(FOLDERS, {"path": path, **query}).ok()["items"]
    assert all(one["path"].endswith(one["name"]) for one in found)
    return [(one["path"], one["experiments"], one["experiments_below"]) for one in found]


def inside(api: Api, path: str = "/") -> list[str]:
    """The names of the experiments in a folder."""
    found = api.get(f"{FOLDERS}/experiments", {"path": path}).ok()["items"]
    return [one["name"] for one in found]


def move(api: Api, path: str, to: str, **sent: Any) -> Reply:
    """Move a folder."""
    return api.post(f"{FOLDERS}/move", {"path": path, "to": to, **sent})


def everything(api: Api) -> dict[str, str]:
    """The names of all experiments by their ids."""
    found = api.post("experiments/search", {"view_type": "ALL", "max_results": 1000}).ok()["experiments"]
    return {one["experiment_id"]: one["name"] for one in found}


@pytest.fixture
def made(api: Api) -> dict[str, str]:
    """Ids of experiments by their names; one of them is deleted."""
    found = {name: api.experiment(name) for name in NAMES}
    api.post("experiments/delete", {"experiment_id": found["/Other/gone"]}).ok()
    return found


def test_folders_and_what_is_in_them(api: Api, made: dict[str, str]) -> None:
    assert folders(api) == [("/Shared", 2, 8), ("größe", 0, 1), ("plain", 1, 2)]
    assert inside(api) == ["/top", "Default", "plain"]
    assert folders(api, "/Shared/") == [
        ("/Shared//odd", 1, 1),
        ("/Shared/a-b", 1, 1),
        ("/Shared/a", 2, 3),
        ("/Shared/b", 1, 1),
    ]
    assert inside(api, "/Shared") == ["/Shared//odd", "/Shared/a"]
    assert folders(api, "/Shared/a") == [("/Shared/a/deep", 0, 1)]
    assert folders(api, "/Shared/a/deep") == [("/Shared/a/deep/er", 1, 1)]
    assert folders(api, "/Shared/a/deep/er") == []
    assert folders(api, "/Shared//odd") == []
    assert inside(api, "/Shared//odd") == ["/Shared//odd/x"]
    assert folders(api, "plain") == [("plain/slash", 1, 1)]
    assert inside(api, "plain/slash") == ["plain/slash/"]
    assert folders(api, "größe") == [("größe/实", 1, 1)]
    (shown,) = api.get(f"{FOLDERS}/experiments", {"path": "/Shared/b"}).ok()["items"]
    told = api.get("experiments/get", {"experiment_id": made["/Shared/b/x"]}).ok()["experiment"]
    assert shown == {key: told[key] for key in shown}


def test_every_experiment_is_in_one_folder(api: Api, made: dict[str, str]) -> None:
    found: list[str] = []

    def walk(path: str) -> None:
        found.extend(inside(api, path))
        for below, _, _ in folders(api, path):
            walk(below)

    walk("/")
    assert sorted(found) == sorted(("Default", *(name for name in made if name != "/Other/gone")))


def test_lists_come_in_pages(api: Api, made: dict[str, str]) -> None:
    for at, path in ((FOLDERS, "/Shared"), (f"{FOLDERS}/experiments", "/")):
        whole = api.get(at, {"path": path}).ok()["items"]
        for limit in (1, 2, 3):
            found, token = [], None
            while True:
                query = {"path": path, "limit": limit, **({"page_token": token} if token else {})}
                page = api.get(at, query).ok()
                assert len(page["items"]) <= limit
                found += page["items"]
                token = page["next_page_token"]
                if token is None:
                    break
            assert found == whole


def test_what_lists_refuse(api: Api, made: dict[str, str]) -> None:
    token = api.get(FOLDERS, {"path": "/Shared", "limit": 1}).ok()["next_page_token"]
    for at in (FOLDERS, f"{FOLDERS}/experiments"):
        for query, error, field in (
            ({"path": "/nothing"}, MISSING, "path"),
            ({"path": "/Other"}, MISSING, "path"),
            ({"path": "/top"}, MISSING, "path"),
            ({"path": ""}, INVALID, "path"),
            ({"path": "x" * 501}, INVALID, "path"),
            ({"limit": 0}, INVALID, "limit"),
            ({"limit": 1001}, INVALID, "limit"),
            ({"page_token": "x"}, INVALID, "page_token"),
            ({"page_token": token}, INVALID, "page_token"),
        ):
            reply = api.get(at, query)
            assert (reply.error, reply.field) == (error, field), query


def test_a_folder_moves_with_all_that_is_in_it(api: Api, made: dict[str, str], database_url: str) -> None:
    # Given
    old = made["/Shared/a/y"]
    api.post("experiments/delete", {"experiment_id": old}).ok()
    api.experiment("/Shared/a/y")
    before, deleted = everything(api), trash(api, sizes="false")
    run = api.run(made["/Shared/a/x"])
    # When
    would = move(api, "/Shared/a/", "/Archive/2025/a", dry_run=True).ok()
    # Then
    assert would == {"experiments": 4, "deleted": 1, "rules": 0}
    assert everything(api) == before
    assert [one for one in events(database_url) if one[0] == "folder.move"] == []
    # When
    assert move(api, "/Shared/a", "/Archive/2025/a").ok() == would
    # Then
    wanted = {
        key: name.replace("/Shared/a", "/Archive/2025/a", 1)
        if name == "/Shared/a" or name.startswith("/Shared/a/")
        else name
        for key, name in before.items()
    }
    assert everything(api) == wanted != before
    assert folders(api, "/Archive") == [("/Archive/2025", 1, 4)]
    found = api.get("experiments/get", {"experiment_id": made["/Shared/a/x"]}).ok()["experiment"]
    assert found["last_update_time"] >= found["creation_time"]
    api.post("runs/set-tag", {"run_id": run, "key": "k", "value": "v"}).ok()
    # Then: what is in the trash goes when it would have
    times = {one["id"]: one["deleted_time"] for one in deleted}
    assert {one["id"]: one["deleted_time"] for one in trash(api, sizes="false")} == times
    api.post("/api/runyard/1/trash/purge", {"items": [item("experiment", old)]}).ok()
    assert [one for one in events(database_url) if one[0] == "folder.move"] == [
        (
            "folder.move",
            "folder",
            "/Shared/a",
            '{"deleted":1,"experiments":4,"rules":0,"to":"/Archive/2025/a"}',
        )
    ]


def test_a_folder_can_move_up_and_into_one_that_is_there(api: Api) -> None:
    # Given names that are others' new ones
    made = {name: api.experiment(name) for name in ("/a/b/x", "/a/b/b/x", "/a/b/b/b/x", "/a/y")}
    # When
    assert move(api, "/a/b", "/a").ok()["experiments"] == 3
    # Then
    found = everything(api)
    assert {name: found[key] for name, key in made.items()} == {
        "/a/b/x": "/a/x",
        "/a/b/b/x": "/a/b/x",
        "/a/b/b/b/x": "/a/b/b/x",
        "/a/y": "/a/y",
    }


def test_a_name_that_is_taken_keeps_all_where_it_is(api: Api, made: dict[str, str]) -> None:
    # Given
    before = everything(api)
    # When
    reply = move(api, "/Shared/a", "/Shared/b")
    # Then
    assert (reply.error, reply.field) == (TAKEN, "to")
    assert "'/Shared/b/x'" in reply.message
    assert made["/Shared/b/x"] in reply.message
    assert everything(api) == before
    assert move(api, "/Shared/a", "/Shared/b", dry_run=True).error == TAKEN
    # When the one in the way is deleted
    api.post("experiments/delete", {"experiment_id": made["/Shared/b/x"]}).ok()
    # Then
    move(api, "/Shared/a", "/Shared/b").ok()


def test_what_a_move_refuses(api: Api, made: dict[str, str]) -> None:
    long = "/" + "x" * 498
    before = everything(api)
    for path, to, error, field in (
        ("/nothing", "/new", MISSING, "path"),
        ("/", "/new", INVALID, "path"),
        ("/Shared", "/", INVALID, "to"),
        ("/Shared", "/Shared/", INVALID, "to"),
        ("/Shared", "/Shared/below", INVALID, "to"),
        ("/Shared", "", INVALID, "to"),
        ("", "/new", INVALID, "path"),
        ("/Shared", "/a\nb", INVALID, "to"),
        ("/Shared", long, INVALID, "to"),
        ("/Shared", long * 2, INVALID, "to"),
    ):
        reply = move(api, path, to)
        assert (reply.error, reply.field) == (error, field), (path, to, reply.message)
    for sent in ({"path": "/Shared"}, {"to": "/new"}, {"path": "/Shared", "to": 5}):
        assert api.post(f"{FOLDERS}/move", sent).error == INVALID
    assert everything(api) == before
    assert "the experiment" in move(api, "/Shared", long).message.lower()


def test_only_so_much_moves_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runyard.server.tracking.service.folders.MAX_MOVED", 2)
    for i in range(3):
        api.experiment(f"/many/{i}/x")
    reply = move(api, "/many", "/new")
    assert (reply.error, reply.field) == (INVALID, "path")
    move(api, "/many/0", "/new/0").ok()
    move(api, "/many", "/new").ok()


def test_nothing_changes_in_an_archived_workspace(api: Api) -> None:
    api.post("/api/runyard/1/workspaces", {"name": "old"}).ok()
    old = api.as_(workspace="old")
    old.experiment("/a/x")
    api.patch("/api/runyard/1/workspaces/old", {"state": "archived"}).ok()
    assert folders(old) == [("/a", 1, 1)]
    assert move(old, "/a", "/b").error == (403, "PERMISSION_DENIED")
    assert move(old, "/a", "/b", dry_run=True).error == (403, "PERMISSION_DENIED")


def test_moves_and_creations_at_once_leave_each_name_once(pair: tuple[Api, Api]) -> None:
    first, second = pair
    for i in range(ROUNDS // 3):
        # Given
        for name in ("x", "y"):
            first.experiment(f"/from {i}/{name}")
        # When one server moves a folder where another creates an experiment
        moved, made = race_unlike(
            pair,
            (f"{FOLDERS}/move", {"path": f"/from {i}", "to": f"/to {i}"}),
            ("experiments/create", {"name": f"/to {i}/x"}),
        )
        # Then
        assert sorted([moved.status, made.status]) in ([200, 400], [200, 200])
        names = [name for name in everything(second).values() if name.endswith(f" {i}/x")]
        assert len(names) == len(set(names))
        assert (moved.status == 200) == (f"/from {i}/x" not in names)
        assert {moved.error, made.error} <= {(200, None), TAKEN}


def test_of_two_moves_of_one_folder_one_wins(pair: tuple[Api, Api]) -> None:
    for i in range(ROUNDS // 3):
        # Given
        made = {pair[0].experiment(f"/from {i}/{name}"): name for name in "abc"}
        # When
        replies = race_unlike(
            pair, *((f"{FOLDERS}/move", {"path": f"/from {i}", "to": f"/to {i} {to}"}) for to in range(2))
        )
        # Then
        assert sorted(reply.error for reply in replies) == [(200, None), MISSING]
        to = 0 if replies[0].status == 200 else 1
        found = everything(pair[1])
        assert {found[key] for key in made} == {f"/to {i} {to}/{name}" for name in "abc"}


def race_unlike(pair: tuple[Api, Api], *requests: tuple[str, dict[str, Any]]) -> list[Reply]:
    """Each server gets its request at the same time."""
    with ThreadPoolExecutor(2) as threads:
        return list(threads.map(lambda api, request: api.post(*request), pair, requests))
