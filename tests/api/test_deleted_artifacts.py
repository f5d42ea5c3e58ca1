"""Deleted artifact files lie in the trash: nobody reaches them there, and they come back whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.api.conftest import Api, assert_refused
from tests.api.deleted_files import FILES, NATIVE, Files, stored
from tests.api.trash_data import DAY, TRASH, counted, item, names, purge, sql, trash, upload

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
EXISTS = (400, "RESOURCE_ALREADY_EXISTS")
SECRET = b"the secret of the trash"


def test_what_is_deleted_is_listed_and_comes_back(api: Api) -> None:
    # Given
    files = Files(api)
    for name in ("a.txt", "dir/b", "dir/sub/größer, 100%", "dirt"):
        files.put(name, name.encode())
    before, tag = files.listed(), files.get("a.txt").headers["etag"]
    # When
    file, folder = files.delete("a.txt"), files.delete("dir/")
    # Then
    assert set(files.listed()) == {"dirt"}
    assert files.get("a.txt").error == MISSING
    found = trash(api)
    assert names(found) == [("artifact", folder), ("artifact", file)]
    assert found[1] == {
        "kind": "artifact",
        "id": file,
        "name": f"{files.run}/artifacts/a.txt",
        "experiment_id": files.experiment,
        "experiment_name": "/Shared/e",
        "deleted_time": found[1]["deleted_time"],
        "purge_time": found[1]["deleted_time"] + 30 * DAY,
        "runs": 0,
        "points": 0,
        "artifact_files": 1,
        "artifact_bytes": 5,
    }
    assert (found[0]["name"], found[0]["artifact_files"]) == (f"{files.run}/artifacts/dir/", 2)
    assert found[0]["artifact_bytes"] == sum(len(name.encode()) for name in before if "dir/" in name)
    assert stored(api)["files"] == 4
    # When
    restored = files.restore(file, folder).ok()
    # Then
    assert restored == counted(artifacts=2)
    assert files.listed() == before
    assert files.get("a.txt").headers["etag"] == tag
    assert trash(api) == []
    assert stored(api)["files"] == 4
    assert files.restore(file).error == MISSING


def test_what_is_not_there_leaves_nothing_in_the_trash(api: Api, database_url: str) -> None:
    files = Files(api)
    assert files.delete("never") == ""
    assert files.delete() == ""
    assert sql(database_url, "SELECT count(*) FROM event WHERE action = 'artifact.delete'") == [(0,)]


def test_all_of_a_run_and_of_a_model(api: Api) -> None:
    # Given
    files = Files(api)
    files.put("a").put("b/c")
    sent = {"experiment_id": files.experiment}
    model = api.post("logged-models", sent).ok()["model"]["info"]["model_id"]
    of_model = Files(api, f"default/{files.experiment}/models/{model}/artifacts")
    of_model.put("MLmodel", b"flavors")
    # When
    everything, flavors = files.delete(), of_model.delete()
    # Then
    assert files.listed() == {}
    assert of_model.get("MLmodel").error == MISSING
    assert {one["name"]: one["artifact_bytes"] for one in trash(api)} == {
        f"{files.run}/artifacts/": 10,
        f"models/{model}/artifacts/": 7,
    }
    # When
    files.restore(everything, flavors).ok()
    # Then
    assert files.listed() == {"a": b"hello", "b/c": b"hello"}
    assert of_model.get("MLmodel").content == b"flavors"


def test_the_name_is_free_and_what_came_there_stays(api: Api) -> None:
    # Given a file that was deleted twice, and one beside it
    files = Files(api)
    files.put("a", b"first")
    first = files.delete("a")
    files.put("a", b"second")
    second = files.delete("a")
    files.put("b")
    beside = files.delete("b")
    files.put("a", b"third")
    # Then
    for ids in ([first], [beside, first]):
        reply = files.restore(*ids)
        assert reply.error == EXISTS
        assert f"{files.root}/a" in reply.message
        assert files.listed() == {"a": b"third"}
        assert len(trash(api)) == 3
    # When it is out of the way
    third = files.delete("a")
    assert files.restore(first, second).error == INVALID
    files.restore(first, beside).ok()
    # Then
    assert files.listed() == {"a": b"first", "b": b"hello"}
    assert {one["id"] for one in trash(api)} == {second, third}


def test_a_folder_comes_back_only_as_a_whole(api: Api) -> None:
    # Given a folder, a file in it that was deleted before, and something else there now
    files = Files(api)
    files.put("dir/a").put("dir/b")
    inside = files.delete("dir/b")
    folder = files.delete("dir")
    files.put("dir/c")
    # Then
    assert files.restore(folder).error == EXISTS
    assert files.restore(inside).ok()["artifacts"] == 1
    assert set(files.listed()) == {"dir/b", "dir/c"}
    # When a file lies where the folder was
    again = files.delete("dir/b")
    files.delete("dir")
    files.put("dir")
    # Then neither it nor what was in it has a place
    for one in (folder, again):
        assert files.restore(one).error == EXISTS
    assert files.listed() == {"dir": b"hello"}
    # And what was one in the other comes back one after the other
    files.delete("dir")
    assert files.restore(folder, again).error == INVALID
    files.restore(folder).ok(), files.restore(again).ok()
    assert set(files.listed()) == {"dir/a", "dir/b"}


def test_nobody_reaches_what_lies_in_the_trash(api: Api, tmp_path: Path) -> None:
    # Given
    files, other = Files(api), api.run()
    files.put("dir/secret", SECRET)
    one = files.delete("dir")
    (held,) = [path for path in (tmp_path / "artifacts").rglob("secret") if path.is_file()]
    at = str(held.relative_to(tmp_path / "artifacts"))
    folder, home = at.rsplit("/", 1)[0], f"default/{files.experiment}/{files.run}"
    assert at.startswith(f"{home}/trash/{one}")
    # When somebody asks for it, knowing all of its path
    up = f"../trash/{one}/secret"
    paths = [at, folder, f"{home}/trash", f"{home}/artifacts/{up}", f"{home}//trash/{one}/secret"]
    paths += [f"{home}/Artifacts/{up}", f"{home}/artifacts/%2e%2e/trash/{one}/secret", home]
    paths += [f"{home}/artifacts/%252e%252e/trash/{one}/secret", f"{home}/artifacts%2f..%2ftrash%2f{one}"]
    replies = [
        *(
            api.request(verb, f"{FILES}/artifacts/{path}")
            for verb in ("GET", "HEAD", "DELETE")
            for path in paths
        ),
        *(api.get(f"{FILES}/artifacts", {"path": path}) for path in paths),
        *(upload(api, path) for path in paths),
        *(api.post(f"{FILES}/mpu/create/{path}", {"path": "x", "num_parts": 1}) for path in paths),
        *(
            api.get("/get-artifact", {"run_id": run, "path": path})
            for run in (files.run, other)
            for path in (up, f"..%2ftrash%2f{one}%2fsecret", f"trash/{one}/secret", at)
        ),
        *(api.get("artifacts/list", {"run_id": files.run, "path": path}) for path in ("..", "../trash", up)),
        *(api.post(f"{NATIVE}/artifacts/delete", {"run_id": files.run, "path": path}) for path in ("..", up)),
    ]
    # Then
    assert {reply.status for reply in replies} <= {400, 404}
    assert not any(SECRET in reply.content for reply in replies)
    assert files.listed() == {}
    shown = [
        api.get("artifacts/list", {"run_id": files.run}),
        api.get(f"{FILES}/artifacts", {"path": files.root}),
    ]
    assert [reply.ok().get("files", []) for reply in shown] == [[], []]
    # And it is as it was
    files.restore(one).ok()
    assert files.listed() == {"dir/secret": SECRET}


def test_pages_and_filters(api: Api) -> None:
    # Given
    files, other = Files(api), api.experiment()
    files.put("a").put("b")
    first, second = files.delete("a"), files.delete("b")
    api.post("experiments/delete", {"experiment_id": other}).ok()
    # Then
    wanted = [("experiment", other), ("artifact", second), ("artifact", first)]
    assert names(trash(api)) == wanted
    found, token = [], None
    while True:
        page = api.get(TRASH, {"limit": 1} | ({"page_token": token} if token else {})).ok()
        found += names(page["items"])
        token = page["next_page_token"]
        if token is None:
            break
    assert found == wanted
    assert names(trash(api, experiment_id=files.experiment)) == wanted[1:]
    assert names(trash(api, kind="artifact", experiment_id=other)) == []
    assert names(trash(api, kind=["run", "artifact"])) == wanted[1:]


def test_the_native_address_tells_how_to_undo(api: Api) -> None:
    # Given
    files = Files(api)
    files.put("dir/a").put("dir/b").put("c")
    sent = {"experiment_id": files.experiment}
    model = api.post("logged-models", sent).ok()["model"]["info"]["model_id"]
    upload(api, f"default/{files.experiment}/models/{model}/artifacts/MLmodel").ok()
    # When
    told = api.post(f"{NATIVE}/artifacts/delete", {"run_id": files.run, "path": "dir/"}).ok()
    # Then
    (found,) = trash(api)
    assert told == {
        "id": found["id"],
        "path": "dir",
        "artifact_files": 2,
        "artifact_bytes": 10,
        "purge_time": found["purge_time"],
    }
    of_model = api.post(f"{NATIVE}/artifacts/delete", {"model_id": model, "path": ""}).ok()
    everything = api.post(f"{NATIVE}/artifacts/delete", {"run_id": files.run, "path": ""}).ok()
    assert (of_model["artifact_files"], everything["artifact_files"]) == (1, 1)
    assert files.restore(told["id"]).error == (200, None)
    # And what can't be deleted
    cases: dict[str, tuple[dict[str, Any], str, tuple[int, str]]] = {
        "nothing there": ({"run_id": files.run, "path": "c"}, "path", MISSING),
        "nothing of a model": ({"model_id": model, "path": ""}, "path", MISSING),
        "nobody": ({"path": "c"}, "run_id", INVALID),
        "both": ({"run_id": files.run, "model_id": model, "path": "c"}, "run_id", INVALID),
        "no run": ({"run_id": "0" * 32, "path": "c"}, "run_id", MISSING),
        "no model": ({"model_id": "m-nope", "path": "c"}, "model_id", MISSING),
        "upwards": ({"run_id": files.run, "path": "../x"}, "path", INVALID),
    }
    for error in (MISSING, INVALID):
        some = {name: case for name, case in cases.items() if case[2] == error}
        replies = {name: api.post(f"{NATIVE}/artifacts/delete", case[0]) for name, case in some.items()}
        assert_refused(replies, {name: case[1] for name, case in some.items()}, error)
    api.post("runs/delete", {"run_id": files.run}).ok()
    assert api.post(f"{NATIVE}/artifacts/delete", {"run_id": files.run, "path": "dir"}).error == INVALID


def test_what_is_done_is_noted(api: Api, database_url: str) -> None:
    # Given
    files = Files(api)
    files.put("a").put("b")
    # When
    first, second = files.delete("a"), files.delete("b")
    files.restore(first).ok()
    purge(api, item("artifact", second))
    # Then
    noted = sql(
        database_url, "SELECT action, target, detail FROM event WHERE target_type = 'artifact' ORDER BY id"
    )
    assert noted == [
        ("artifact.delete", f"{files.root}/a", f'{{"deletion":"{first}"}}'),
        ("artifact.delete", f"{files.root}/b", f'{{"deletion":"{second}"}}'),
        ("trash.restore", first, f'{{"count":1,"ids":["{first}"]}}'),
        ("trash.purge", second, f'{{"count":1,"ids":["{second}"]}}'),
    ]


def test_another_workspace_has_another_trash(api: Api) -> None:
    # Given
    files = Files(api)
    files.put("secret", SECRET)
    one = files.delete("secret")
    api.post(f"{NATIVE}/workspaces", {"name": "beta"}).ok()
    inside = api.run("0")
    beta = api.as_(workspace="beta")
    # Then
    assert trash(beta) == []
    for path in ("restore", "purge"):
        assert beta.post(f"{TRASH}/{path}", {"items": [item("artifact", one)]}).error == MISSING
    assert purge(beta)["artifacts"] == 0
    held = f"{files.root.removesuffix('/artifacts')}/trash/{one}"
    for path in (held, held.replace("default/", "beta/"), f"beta/0/{inside}/artifacts/../../../../{held}"):
        assert beta.get(f"{FILES}/artifacts/{path}").status in (400, 404)
    assert names(trash(api)) == [("artifact", one)]
