"""The name of a deleted experiment is free at once; who wants it back finds out what is in the way."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, Reply
from tests.api.test_races import ROUNDS, pair, race
from tests.api.trash_data import TRASH, events, item, names, trash

__all__ = ["pair"]

MISSING = (404, "RESOURCE_DOES_NOT_EXIST")
INVALID = (400, "INVALID_PARAMETER_VALUE")
TAKEN = (400, "RESOURCE_ALREADY_EXISTS")


def delete(api: Api, experiment: str) -> None:
    """Move an experiment to the trash."""
    api.post("experiments/delete", {"experiment_id": experiment}).ok()


def restore(api: Api, experiment: str, **sent: Any) -> Reply:
    """Bring one back, by the native interface."""
    return api.post(f"/api/runyard/1/experiments/{experiment}/restore", sent)


def by_name(api: Api, name: str) -> tuple[str, str]:
    """The id and the stage of the experiment that a name means."""
    found = api.get("experiments/get-by-name", {"experiment_name": name}).ok()["experiment"]
    return found["experiment_id"], found["lifecycle_stage"]


@pytest.fixture
def gone(api: Api) -> list[str]:
    """Experiments that all were called `/a/x`, deleted one after the other."""
    found = []
    for _ in range(3):
        found.append(api.experiment("/a/x"))
        delete(api, found[-1])
    return found


def test_a_name_means_the_active_experiment_or_the_one_deleted_last(api: Api, gone: list[str]) -> None:
    assert by_name(api, "/a/x") == (gone[-1], "deleted")
    active = api.experiment("/a/x")
    assert by_name(api, "/a/x/") == (active, "active")
    # When the order of deletion isn't that of the ids
    delete(api, active)
    restore(api, gone[0]).ok()
    assert by_name(api, "/a/x") == (gone[0], "active")
    delete(api, gone[0])
    assert by_name(api, "/a/x") == (gone[0], "deleted")
    # Then all of them are found and listed
    search = {"filter": "name = '/a/x'", "view_type": "DELETED_ONLY"}
    found = api.post("experiments/search", search).ok()["experiments"]
    assert {one["experiment_id"] for one in found} == {*gone, active}
    assert names(trash(api)) == [("experiment", x) for x in (gone[0], active, gone[2], gone[1])]


def test_an_experiment_can_be_renamed_onto_a_free_name(api: Api, gone: list[str]) -> None:
    other = api.experiment("other")
    api.post("experiments/update", {"experiment_id": other, "new_name": "/a/x"}).ok()
    assert by_name(api, "/a/x") == (other, "active")
    assert api.post("experiments/create", {"name": "/a/x"}).error == TAKEN


def test_what_is_in_the_way_of_a_restore_is_told(api: Api, gone: list[str], database_url: str) -> None:
    # Given
    active = api.experiment("/a/x")
    # When
    at_mlflow = api.post("experiments/restore", {"experiment_id": gone[0]})
    natively = restore(api, gone[0])
    from_trash = api.post(f"{TRASH}/restore", {"items": [item("experiment", gone[0])]})
    # Then
    for reply, field in ((at_mlflow, "experiment_id"), (natively, "experiment_id"), (from_trash, "items")):
        assert (reply.error, reply.field) == (TAKEN, field)
        assert f"the experiment {active} has its name '/a/x'" in reply.message
        assert f"runyard experiment restore {gone[0]} --name" in reply.message
    assert by_name(api, "/a/x") == (active, "active")
    # When: under another name
    assert restore(api, gone[0], name="/a/y/").ok() == {}
    # Then
    assert by_name(api, "/a/y") == (gone[0], "active")
    (event,) = [one for one in events(database_url) if one[0] == "experiment.restore"]
    assert event[2:] == (gone[0], '{"before":"/a/x","name":"/a/y"}')
    # When the one in the way is renamed
    api.post("experiments/update", {"experiment_id": active, "new_name": "/a/z"}).ok()
    assert restore(api, gone[1]).ok() == {}
    assert by_name(api, "/a/x") == (gone[1], "active")


def test_two_of_one_name_do_not_come_back_together(api: Api, gone: list[str]) -> None:
    reply = api.post(f"{TRASH}/restore", {"items": [item("experiment", one) for one in gone[:2]]})
    assert reply.error == TAKEN
    assert by_name(api, "/a/x") == (gone[-1], "deleted")


def test_what_a_restore_under_a_name_refuses(api: Api, gone: list[str]) -> None:
    api.experiment("taken")
    active = api.experiment("active")
    for experiment, sent, error in (
        (gone[0], {"name": "taken"}, TAKEN),
        (gone[0], {"name": " "}, INVALID),
        (gone[0], {"name": "x" * 501}, INVALID),
        (gone[0], {"name": 5}, INVALID),
        ("x", {}, INVALID),
        ("999999", {}, MISSING),
        (active, {"name": "new"}, MISSING),
    ):
        assert restore(api, experiment, **sent).error == error
    assert by_name(api, "active") == (active, "active")


def test_the_default_experiment_can_be_followed_by_one_of_its_name(api: Api) -> None:
    delete(api, "0")
    named = api.experiment("Default")
    assert by_name(api, "Default") == (named, "active")
    # Then: 0 still means the old one
    found = api.get("experiments/get", {"experiment_id": "0"}).ok()["experiment"]
    assert (found["name"], found["lifecycle_stage"]) == ("Default", "deleted")
    assert api.post("runs/create", {"experiment_id": "0"}).error == INVALID
    assert restore(api, "0").error == TAKEN
    restore(api, "0", name="Default before").ok()
    api.run("0")


def test_a_name_is_free_after_a_purge_too(api: Api, gone: list[str]) -> None:
    api.post(f"{TRASH}/purge", {"items": [item("experiment", one) for one in gone]}).ok()
    assert api.get("experiments/get-by-name", {"experiment_name": "/a/x"}).error == MISSING
    again = api.experiment("/a/x")
    assert int(again) > int(gone[-1])


def test_of_many_restores_and_creations_one_wins(pair: tuple[Api, Api]) -> None:
    for i in range(ROUNDS // 3):
        # Given two deleted experiments of a name
        name, gone = f"race {i}", []
        for _ in range(2):
            gone.append(pair[0].experiment(name))
            delete(pair[0], gone[-1])
        # When
        if i % 2:
            path, sent = "experiments/restore", [[{"experiment_id": one}] for one in gone]
            first, second = (replies[0] for replies in race(pair, path, sent))
        else:
            api = pair[0]
            first, second = api.together(
                [
                    ("POST", "experiments/restore", {"experiment_id": gone[0]}),
                    ("POST", "experiments/create", {"name": name}),
                ]
            )
        # Then
        won, lost = sorted((first, second), key=lambda reply: reply.status)
        assert (won.status, lost.error) == (200, TAKEN)
        found = pair[1].post("experiments/search", {"filter": f"name = '{name}'"}).ok()["experiments"]
        assert len(found) == 1


def test_renames_onto_one_name_have_one_winner(pair: tuple[Api, Api]) -> None:
    mine = [[api.experiment(f"{i} of {n}") for i in range(ROUNDS)] for n, api in enumerate(pair)]
    sent = [[{"experiment_id": one, "new_name": f"new {i}"} for i, one in enumerate(ids)] for ids in mine]
    replies = race(pair, "experiments/update", sent)
    for first, second in zip(*replies, strict=True):
        won, lost = sorted((first, second), key=lambda reply: reply.status)
        assert (won.status, lost.error) == (200, TAKEN)
