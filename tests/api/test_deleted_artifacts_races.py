"""Two server processes on one PostgreSQL and one folder delete, restore, purge and upload the same files."""

from __future__ import annotations

from pathlib import Path

from tests.api.conftest import Api
from tests.api.deleted_files import Files, on_disk
from tests.api.test_purge_races import Request, pair, race
from tests.api.trash_data import TRASH, item, names, purge, sql, trash

__all__ = ["pair"]

FILES = "/api/2.0/mlflow-artifacts/artifacts"
OK = (200, None)
EXISTS = (400, "RESOURCE_ALREADY_EXISTS")
MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
ROUNDS = 8


def put(files: Files, name: str, content: bytes) -> Request:
    """An upload for `race`; its body is JSON, which is as good as any."""
    return ("PUT", f"{FILES}/{files.root}/{name}", content.decode())


def delete(files: Files, name: str) -> Request:
    """A deletion for `race`."""
    return ("DELETE", f"{FILES}/{files.root}/{name}", None)


def restore(*ids: str) -> Request:
    """A restoration for `race`."""
    return ("POST", f"{TRASH}/restore", {"items": [item("artifact", one) for one in ids]})


def test_of_many_deletions_one_finds_the_file(pair: tuple[Api, Api], postgresql_url: str) -> None:
    files = Files(pair[0])
    for _ in range(ROUNDS):
        # Given
        files.put("dir/a", b"1").put("dir/b", b"22").put("c", b"333")
        # When a folder, a file in it, and all are deleted at once
        requests = [delete(files, name) for name in ("dir", "dir/a", "c", "dir", "")]
        replies = race(pair, requests, requests)
        # Then each file lies in the trash once
        assert {reply.error for part in replies for reply in part} == {OK}
        assert files.listed() == {}
        found = trash(pair[1])
        assert sum(one["artifact_files"] for one in found) == 3
        assert sum(one["artifact_bytes"] for one in found) == 6
        # And comes back, a folder before what was in it
        for one in sorted(found, key=lambda one: len(one["name"])):
            files.restore(one["id"]).ok()
        assert files.listed() == {"dir/a": b"1", "dir/b": b"22", "c": b"333"}
    assert sql(postgresql_url, "SELECT count(*) FROM deleted_artifact") == [(0,)]


def test_what_is_restored_is_whole_or_gone(pair: tuple[Api, Api], tmp_path: Path) -> None:
    files = Files(pair[0])
    for _ in range(ROUNDS):
        # Given
        files.put("dir/a", b"1").put("dir/b", b"22")
        one = files.delete("dir")
        # When both restore what one of them purges
        gone: Request = ("POST", f"{TRASH}/purge", {"items": [item("artifact", one)]})
        first, second = race(pair, [restore(one), gone], [restore(one)])
        # Then one of the three wins
        outcomes = [reply.error for reply in (*first, *second)]
        assert outcomes.count(OK) == 1
        assert set(outcomes) <= {OK, MISSING, EXISTS}
        assert trash(pair[1]) == []
        if first[1].status == 200:
            assert files.listed() == {}
            assert on_disk(tmp_path) == []
        else:
            assert files.listed() == {"dir/a": b"1", "dir/b": b"22"}
            files.delete("dir")
        purge(pair[0])


def test_an_upload_is_never_replaced_by_what_comes_back(pair: tuple[Api, Api]) -> None:
    files = Files(pair[0])
    for i in range(ROUNDS):
        # Given
        name = f"f{i}"
        files.put(name, b"old")
        one = files.delete(name)
        # When one restores a file where the other uploads one
        ((restored,), (uploaded,)) = race(pair, [restore(one)], [put(files, name, b"new")])
        # Then what was uploaded lies there: it came later, or was there before
        assert uploaded.error == OK
        assert restored.error in (OK, EXISTS)
        assert files.get(name).content == b'"new"'
        assert names(trash(pair[1])) == ([] if restored.error == OK else [("artifact", one)])
        purge(pair[1])


def test_an_upload_that_meets_a_deletion_is_there_or_in_the_trash(pair: tuple[Api, Api]) -> None:
    files = Files(pair[0])
    for i in range(ROUNDS):
        # Given
        names_ = [f"dir{i}/new{n}" for n in range(5)]
        files.put(f"dir{i}/old", b"old")
        # When one deletes a folder into which the other uploads
        uploads = [put(files, name, b"new") for name in names_]
        (deleted, uploaded) = race(pair, [delete(files, f"dir{i}")], uploads)
        # Then nothing that was stored is lost
        assert {reply.error for reply in (*deleted, *uploaded)} == {OK}
        there = set(files.listed())
        (held,) = (one["id"] for one in trash(pair[1]) if f"/dir{i}/" in one["name"])
        if there:
            files.delete(f"dir{i}")
        files.restore(held).ok()
        assert there | set(files.listed()) == {*names_, f"dir{i}/old"}
        files.delete(f"dir{i}")


def test_a_run_that_is_purged_meanwhile_leaves_no_files(
    pair: tuple[Api, Api], postgresql_url: str, tmp_path: Path
) -> None:
    for _ in range(ROUNDS):
        # Given
        files = Files(pair[0], experiment=pair[0].experiment())
        files.put("dir/a", b"1").put("b", b"22")
        one = files.delete("b")
        gone: Request = ("POST", f"{TRASH}/purge", {"items": [item("run", files.run)]})
        # When files are deleted and restored while their run goes
        race(
            pair,
            [delete(files, "dir"), restore(one), delete(files, "b")],
            [("POST", "runs/delete", {"run_id": files.run}), gone, gone],
        )
        pair[1].post("runs/delete", {"run_id": files.run})
        purge(pair[1])
    # Then
    sql(postgresql_url, "UPDATE run SET deleted_time = deleted_time - 120000")
    purge(pair[0], deleted_before=0)
    assert on_disk(tmp_path) == []
    assert sql(postgresql_url, "SELECT count(*) FROM deleted_artifact") == [(0,)]
