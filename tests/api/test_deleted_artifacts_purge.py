"""Purging deleted artifact files, and whatever they belong to: nothing of them is left or counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.conftest import Api, serve
from tests.api.deleted_files import Files, on_disk, stored
from tests.api.trash_data import DAY, TRASH, age, counts, item, names, purge, settle, sql, trash

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")


def test_a_purge_frees_the_room(api: Api, database_url: str, tmp_path: Path) -> None:
    # Given
    files = Files(api)
    there = counts(database_url)
    (
        files.put("kept", b"kept"),
        files.put("gone", b"gone!"),
        files.put("dir/x", b"1"),
        files.put("dir/y", b"2"),
    )
    gone, folder = files.delete("gone"), files.delete("dir")
    # When it is only tried
    told = purge(api, item("artifact", gone), item("artifact", folder), dry_run=True)
    # Then
    assert {key: value for key, value in told.items() if value} == {
        "dry_run": True,
        "artifacts": 2,
        "artifact_files": 3,
        "artifact_bytes": 7,
    }
    assert len(trash(api)) == 2
    # When
    done = purge(api, item("artifact", gone), item("artifact", folder))
    # Then
    assert done == {**told, "dry_run": False, "done": True}
    assert trash(api) == []
    assert files.restore(gone).error == MISSING
    assert on_disk(tmp_path) == [b"kept"]
    assert stored(api) == {"bytes": 4, "files": 1}
    assert counts(database_url) == there
    assert files.listed() == {"kept": b"kept"}


def test_what_is_purged_is_uncounted_for_good(database_url: str, tmp_path: Path) -> None:
    # Given
    with serve(data=str(tmp_path), database=database_url) as api:
        files = Files(api)
        files.put("kept").put("gone", b"1234567")
        files.delete("gone")
        # When
        purge(api, kind=["artifact"])
    # Then
    ((key,),) = sql(database_url, "SELECT id FROM run")
    assert sql(database_url, "SELECT scope, id, size, files FROM usage ORDER BY scope, id") == [
        (0, 1, 5, 1),
        (1, int(files.experiment), 5, 1),
        (2, key, 5, 1),
    ]


def test_what_has_lain_its_time_goes_by_itself(database_url: str, tmp_path: Path) -> None:
    # Given
    with serve(data=str(tmp_path), database=database_url) as api:
        files = Files(api)
        files.put("old", b"old").put("new", b"new")
        files.delete("old")
        age(database_url, 31 * DAY)
        new = files.delete("new")
    # When a server runs that keeps things for ever
    with serve(data=str(tmp_path), database=database_url, trash_days=0) as api:
        settle(api)
        assert [one["purge_time"] for one in trash(api)] == [None, None]
    # When it keeps them for 30 days
    with serve(data=str(tmp_path), database=database_url) as api:
        settle(api)
        # Then
        assert names(trash(api)) == [("artifact", new)]
        assert on_disk(tmp_path) == [b"new"]
    noted = sql(database_url, "SELECT actor, target_type FROM event WHERE action = 'trash.purge'")
    assert noted == [("runyard", "artifact")]


@pytest.mark.parametrize("noun", ["run", "model", "experiment"])
def test_what_they_belong_to_takes_them_along(noun: str, api: Api, database_url: str, tmp_path: Path) -> None:
    # Given a deleted file
    files = Files(api)
    sent = {"experiment_id": files.experiment}
    model = api.post("logged-models", sent).ok()["model"]["info"]["model_id"]
    owner = {"run": files.run, "model": model, "experiment": files.experiment}[noun]
    if noun == "model":
        files.root = f"default/{files.experiment}/models/{model}/artifacts"
    files.put("a", b"gone")
    file = files.delete("a")
    before = trash(api)

    def delete_owner() -> None:
        if noun == "model":
            api.delete(f"logged-models/{model}").ok()
        else:
            api.post(f"{noun}s/delete", {f"{noun}_id": owner}).ok()

    # When what it belongs to is deleted
    delete_owner()
    # Then it isn't in the trash by itself
    assert names(trash(api)) == [(noun, owner)]
    for path in ("restore", "purge"):
        reply = api.post(f"{TRASH}/{path}", {"items": [item("artifact", file)]})
        assert (reply.error, reply.field) == (MISSING, "items[0]")
        assert "restore that first" in reply.message
    # When that comes back
    api.post(f"{TRASH}/restore", {"items": [item(noun, owner)]}).ok()
    # Then it is as it was
    assert trash(api) == before
    # When both come back at once
    delete_owner()
    items = [item("artifact", file), item(noun, owner)]
    assert api.post(f"{TRASH}/restore", {"items": items}).ok()["artifacts"] == 1
    assert files.get("a").content == b"gone"
    # When that is purged
    files.delete("a")
    delete_owner()
    told = purge(api)
    # Then it goes along
    assert (told["artifact_bytes"], told["artifacts"]) == (4, 0)
    age(database_url, 2 * 60_000)
    settle(api)
    assert on_disk(tmp_path) == []
    assert "deleted_artifact" not in counts(database_url)
    assert stored(api) == {"bytes": 0, "files": 0}
