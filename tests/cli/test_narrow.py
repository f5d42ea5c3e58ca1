"""Lists as they are on a terminal of 80 columns."""

from __future__ import annotations

import re

import click
import pytest

from runyard.client.credentials import Credential
from runyard.client.http import Http
from tests.cli.conftest import Run, read_json
from tests.cli.process import Called
from tests.cli.team import Team, root, team

__all__ = ["root", "team"]


@pytest.fixture(scope="module")
def run_id(team: Team) -> str:
    """A run in the trash, in an experiment with a long name."""
    root = team.person("root")
    made = read_json(root("experiment", "create", "/Shared/team/churn-prediction", "-o", "json"))
    token = root("token", "create", "narrow").stdout.strip()
    with Http(team.url, None, Credential(token)) as http:
        body = {"experiment_id": made["experiment_id"], "run_name": "cosmic-shrew-4821"}
        for _ in range(2):
            found: str = http.post("/api/2.0/mlflow/runs/create", body)["run"]["info"]["run_id"]
    assert root("run", "delete", found, "--yes").exit_code == 0
    return found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("activity list --target run", r"root  run\.delete  run:[0-9a-f]{12} .* experiment=\d+"),
        ("activity list --all-workspaces --target run", r"root  run\.delete  run:[0-9a-f]{12} "),
        ("run list", r"[0-9a-f]{12}  cosmic-shrew-48.*/Shared/team/ch.*  RUNNING"),
        ("trash list", r"run  [0-9a-f]{12}  cosmic-shrew-4821  "),
        ("trash list --sizes", r"run  [0-9a-f]{12}  cosmic-shrew-.* 0 B"),
        ("token list", r"personal  narrow  "),
    ],
)
def test_a_list_fits(team: Team, run_id: str, words: str, told: str) -> None:
    environment = {**team.environment("root"), "COLUMNS": "80"}
    with Called(*words.split(), environment=environment, terminal=True) as called:
        assert called.end() == 0
    lines = click.unstyle(called.shown).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert any(re.search(told, re.sub("  +", "  ", line)) for line in lines), lines


def test_elsewhere_it_is_whole(root: Run, run_id: str) -> None:
    for form in ("table", "csv", "json"):
        assert run_id in root("trash", "list", "-o", form, COLUMNS="80").stdout
        assert run_id in root("activity", "list", "--target", "run", "-o", form, COLUMNS="80").stdout
