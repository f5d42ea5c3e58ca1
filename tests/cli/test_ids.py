"""Ids of which the beginning is given."""

from __future__ import annotations

from typing import NamedTuple

import click
import pytest

from runyard.client.credentials import Credential
from runyard.client.http import MLFLOW, Http
from tests.cli.conftest import Run, read_json
from tests.cli.process import Called
from tests.cli.team import Team, root, team

__all__ = ["root", "team"]


class Deleted(NamedTuple):
    """The ids of what is in the trash."""

    run: str
    model: str


@pytest.fixture
def deleted(team: Team, root: Run) -> Deleted:
    """A run and a logged model, made and moved to the trash."""
    token = root("token", "create", "ids").stdout.strip()
    with Http(team.url, None, Credential(token)) as http:
        made = {"experiment_id": "0", "run_name": "cosmic-shrew"}
        run = http.post(f"{MLFLOW}/runs/create", made)["run"]["info"]["run_id"]
        made = {"experiment_id": "0", "name": "churn-model"}
        model = http.post(f"{MLFLOW}/logged-models", made)["model"]["info"]["model_id"]
        http.post(f"{MLFLOW}/runs/delete", {"run_id": run})
        http.delete(f"{MLFLOW}/logged-models/{model}")
    return Deleted(run, model)


def test_what_is_purged_by_a_beginning_is_told_whole(team: Team, root: Run, deleted: Deleted) -> None:
    environment = {**team.environment("root"), "COLUMNS": "200"}
    for short, told in (
        (f"run:{deleted.run[:8]}", f"1 run (run:{deleted.run} 'cosmic-shrew')"),
        (f"model:{deleted.model[2:10]}", f"1 model (model:{deleted.model} 'churn-model')"),
    ):
        # When nobody is asked, then it stays
        refused = root("trash", "purge", short, "--yes")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "give whole ids" in refused.stderr
        assert root("trash", "purge", short, "--yes", "--dry-run").stdout == f"Would destroy {told}.\n"
        # When somebody is
        with Called("trash", "purge", short, environment=environment, terminal=True) as called:
            called.wait_for(f"Destroy {told} for good?")
            called.type("y\n")
            assert called.end() == 0
        assert f"Destroyed {told}." in click.unstyle(called.shown)
    kept = {one["id"] for one in read_json(root("trash", "list", "-n", "0", "-o", "json"))}
    assert not kept & set(deleted)


def test_whole_ids_are_purged_unasked(root: Run, deleted: Deleted) -> None:
    things = (f"run:{deleted.run}", f"model:{deleted.model[2:]}")
    assert root("trash", "purge", *things, "--yes").stdout == "Destroyed 1 run, 1 model.\n"


@pytest.mark.parametrize("begin", [0, 2])
def test_a_model_comes_back_by_the_beginning_of_its_id(root: Run, deleted: Deleted, begin: int) -> None:
    result = root("trash", "restore", f"model:{deleted.model[begin:10]}")
    assert result.stdout == "Restored 1 model.\n"


@pytest.mark.parametrize("purged", [False, True])
def test_the_activity_of_what_is_gone_is_found_as_a_narrow_list_names_it(
    team: Team, root: Run, deleted: Deleted, purged: bool
) -> None:
    # Given what is shown on a terminal of 80 columns
    things = (f"run:{deleted.run}", f"model:{deleted.model}")
    if purged:
        assert root("trash", "purge", *things, "--yes").exit_code == 0
    environment = {**team.environment("root"), "COLUMNS": "80"}
    with Called("activity", "list", "-n", "2", environment=environment, terminal=True) as called:
        assert called.end() == 0
    shown = [word for word in click.unstyle(called.shown).split() if word.startswith(("run:", "model:"))]
    assert len(shown) == 2
    assert not set(shown) & set(things)
    # When it is pasted, then it is found
    for thing in (*shown, f"model:{deleted.model[2:10]}"):
        for place in ((), ("--all-workspaces",)):
            found = read_json(root("activity", "list", "--target", thing, *place, "-o", "json"))
            assert {f"{one['target_type']}:{one['target']}" for one in found} <= set(things)
            told = {one["action"].partition(".")[2] for one in found}
            assert {"delete", *(["purge"] if purged else [])} <= told


def test_too_little_of_an_id_is_told(root: Run) -> None:
    for words in (("activity", "list", "--target", "run:abc"), ("trash", "restore", "model:m-12")):
        refused = root(*words)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "6 characters" in refused.stderr
