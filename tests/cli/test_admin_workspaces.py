"""Workspaces, quotas, the trash and the activity log from the command line."""

from __future__ import annotations

import json
import re
import stat
import time
from pathlib import Path
from typing import Any

import pytest

import runyard.server
from runyard.cli.activity import ACTIONS, TYPES
from runyard.client.credentials import Credential
from runyard.client.http import Http
from tests.cli.conftest import Run, read_csv, read_json
from tests.cli.team import Team, root, team

__all__ = ["root", "team"]


def _json(run: Run, *words: str, **more: Any) -> Any:
    return read_json(run(*words, "-o", "json", **more))


def test_a_life_of_a_workspace(root: Run) -> None:
    # Given
    words = ("workspace", "create", "vision", "--description", "Vision", "--tag", "team=v", "--tag", "old=1")
    assert _json(root, *words)["name"] == "vision"
    assert root("workspace", "create", "vision").exit_code == 1
    # When it is changed
    words = ("workspace", "update", "vision", "--description", "All eyes", "--tag", "a=b", "--untag", "old")
    assert root(*words).exit_code == 0
    shown = _json(root, "workspace", "show", "vision")
    assert (shown["description"], shown["tags"]) == ("All eyes", {"a": "b", "team": "v"})
    assert "/w/vision" in root("workspace", "show", "vision").stdout
    # When it is archived
    assert root("workspace", "archive", "vision").exit_code == 0
    refused = root("experiment", "create", "/x", "-w", "vision")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert root("workspace", "activate", "vision").exit_code == 0
    assert root("experiment", "create", "/x", "-w", "vision").exit_code == 0
    # When it is deleted and restored
    assert root("workspace", "delete", "vision").exit_code == 2
    told, _, undo = root("workspace", "delete", "vision", "--yes").stdout.strip().partition(". To undo: ")
    assert told.startswith("In the trash: workspace 'vision', until 20")
    assert "vision" not in {one["name"] for one in _json(root, "workspace", "list")}
    assert "vision" in {one["name"] for one in _json(root, "workspace", "list", "--state", "deleted")}
    assert root(*undo.split()[1:]).exit_code == 0
    names = {one["name"] for one in _json(root, "experiment", "list", "-w", "vision")}
    assert names == {"Default", "/x"}


def test_the_workspace_in_use(team: Team, root: Run) -> None:
    assert root("workspace", "create", "in-use").exit_code == 0
    uma = team.joined("uma")
    assert root("workspace", "assign", "uma", "Contributor", "-w", "in-use").exit_code == 0
    assert [one["name"] for one in _json(uma, "workspace", "list")] == ["in-use"]
    assert uma("workspace", "use", "nowhere").exit_code == 4
    assert uma("workspace", "use", "in-use").exit_code == 0
    assert _json(uma, "whoami")["workspace"] == "in-use"
    assert uma("experiment", "create", "/mine").exit_code == 0
    assert "*" in uma("workspace", "list").stdout
    assert _json(uma, "experiment", "list", "-w", "in-use") == _json(uma, "experiment", "list")
    assert uma("experiment", "list", "-w", "default").exit_code == 4
    assert uma("workspace", "use", "default").exit_code == 4
    members = {one["name"]: one["roles"] for one in _json(uma, "workspace", "members")}
    assert members == {"root": ["Owner"], "uma": ["Contributor"]}


def test_quotas_are_shown_and_set(root: Run) -> None:
    assert root("workspace", "create", "small").exit_code == 0
    words = ("workspace", "quotas", "small", "--set", "runs_per_workspace=1", "--set", "params_per_run=none")
    found = {one["name"]: one for one in _json(root, *words)}
    assert (found["runs_per_workspace"]["limit"], found["params_per_run"]["limit"]) == (1, None)
    again = _json(root, "workspace", "quotas", "small", "--set", "params_per_run=default")
    assert {one["name"]: one["limit"] for one in again}["params_per_run"] is not None
    rows = read_csv(root("workspace", "quotas", "small", "-o", "csv").stdout)
    assert {row["name"]: row["limit"] for row in rows}["runs_per_workspace"] == "1"
    for command in ("quotas", "show"):
        text = root("workspace", command, "small").stdout
        line = next(line for line in text.splitlines() if line.startswith("runs_per_workspace"))
        assert line.split() == ["runs_per_workspace", "workspace", "0", "1", "0", "%"]
    for size, limit in (("500GB", 500 * 2**30), ("1.5t", 3 * 2**39), ("64 KiB", 65_536), ("7", 7)):
        sized = ("workspace", "quotas", "small", "--set", f"artifact_bytes_per_workspace={size}")
        limits = {one["name"]: one["limit"] for one in _json(root, *sized)}
        assert limits["artifact_bytes_per_workspace"] == limit
    for wrong in ("runs_per_workspace=many", "runs_per_workspace=5K", "artifact_bytes_per_run=1.5"):
        assert root("workspace", "quotas", "small", "--set", wrong).exit_code == 2
    assert root("workspace", "quotas", "small", "--set", "no_such_quota=1").exit_code == 1


def test_the_trash(root: Run) -> None:
    assert root("workspace", "create", "rubbish").exit_code == 0
    at = ("-w", "rubbish")
    ids = [_json(root, "experiment", "create", f"/t/{i}", *at)["experiment_id"] for i in range(3)]
    assert root("experiment", "delete", *ids, "--yes", *at).exit_code == 0
    # When something comes back
    listed = _json(root, "trash", "list", "--kind", "experiment", "--sizes", *at)
    assert {one["id"] for one in listed} == set(ids)
    assert root("trash", "restore", f"experiment:{ids[0]}", *at).exit_code == 0
    assert "/t/0" in {one["name"] for one in _json(root, "experiment", "list", *at)}
    # When it is only tried
    would = root("trash", "purge", f"experiment:{ids[1]}", "--dry-run", *at)
    assert would.stdout.startswith("Would destroy 1 experiment")
    own = ("trash", "list", "--kind", "experiment", *at)
    assert {one["id"] for one in _json(root, *own)} == set(ids[1:])
    # When it is done
    assert root("trash", "purge", f"experiment:{ids[1]}", *at).exit_code == 2
    assert root("trash", "purge", f"experiment:{ids[1]}", "--yes", *at).exit_code == 0
    assert root("trash", "purge", "--before", "1d", "--yes", *at).exit_code == 0
    assert {one["id"] for one in _json(root, *own)} == {ids[2]}
    assert root("trash", "purge", "--all", "--yes", *at).exit_code == 0
    assert _json(root, "trash", "list", *at) == []
    assert root("experiment", "show", ids[1], *at).exit_code == 4


def test_a_purge_of_all_says_what_is_not_the_workspaces(team: Team, root: Run) -> None:
    team.joined("gone")
    assert root("user", "delete", "gone", "--yes").exit_code == 0
    assert "of the whole server" in root("trash", "purge", "--help").stdout
    assert "users of the whole server)" in root("trash", "purge", "--all", "--dry-run").stdout
    # With a kind it is all of that kind.
    would = root("trash", "purge", "--all", "--kind", "run", "--dry-run")
    assert (would.exit_code, "user" in would.stdout) == (0, False)
    assert root("trash", "purge", "--all", "--kind", "user", "--yes").exit_code == 0
    assert _json(root, "trash", "list", "--kind", "user") == []


def test_old_runs_of_an_experiment(team: Team, root: Run) -> None:
    # Given three runs, two of them old
    made = _json(root, "experiment", "create", "/old")["experiment_id"]
    now = int(time.time() * 1000)
    token = root("token", "create", "old-runs").stdout.strip()
    with Http(team.url, None, Credential(token)) as http:
        for start in (now - 3 * 86_400_000, now - 2 * 86_400_000, now):
            http.post("/api/2.0/mlflow/runs/create", {"experiment_id": made, "start_time": start})
    words = ("run", "delete", "-e", "/old")
    for wrong in ((), ("--started-before", "1d"), ("--started-before", "1d", "abcdef", "--yes")):
        refused = root(*words, *wrong)
        assert (refused.exit_code, refused.stdout) == (2, "")
    # When, Then
    told = _json(root, *words, "--started-before", "1d", "--yes")
    assert told == {"experiment_id": made, "runs_deleted": 2}
    assert len(_json(root, "run", "list", "-e", "/old")) == 1
    told = _json(root, "run", "restore", "-e", "/old", "--deleted-since", "1h")
    assert told == {"experiment_id": made, "runs_restored": 2}
    # When it is undone as the message says, a run that went before stays
    newest = _json(root, "run", "list", "-e", "/old")[0]["run_id"]
    assert root("run", "delete", newest, "--yes").exit_code == 0
    told, _, undo = root(*words, "--started-before", "1d", "--yes").stdout.strip().partition(". To undo: ")
    assert told.startswith("In the trash: 2 runs of '/old', until 20")
    assert root(*undo.split()[1:]).stdout == "Restored 2 runs of '/old'.\n"
    assert len(_json(root, "run", "list", "-e", "/old")) == 2
    nothing = root("run", "delete", "-e", "/old", "--started-before", "2020-01-01", "--yes")
    assert nothing.stdout == "There is no such run.\n"


@pytest.mark.parametrize("hours", [-2, 2])
@pytest.mark.parametrize("earlier", [0, 1])
def test_old_runs_come_back_whatever_clock_this_machine_has(
    team: Team, root: Run, monkeypatch: pytest.MonkeyPatch, hours: int, earlier: int
) -> None:
    # Given old runs, and maybe one that went to the trash just before
    name = f"/clock/{hours}/{earlier}"
    made = _json(root, "experiment", "create", name)["experiment_id"]
    token = root("token", "create", f"clock-{hours}-{earlier}").stdout.strip()
    with Http(team.url, None, Credential(token)) as http:
        body = {"experiment_id": made, "start_time": 1}
        ids = [http.post("/api/2.0/mlflow/runs/create", body)["run"]["info"]["run_id"] for _ in range(3)]
    if earlier:
        assert root("run", "delete", ids[0], "--yes").exit_code == 0
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + hours * 3600)
    # When they are deleted, and it is undone as the message says
    told = root("run", "delete", "-e", name, "--started-before", "2020-01-01", "--yes").stdout.strip()
    undo = told.partition(". To undo: ")[2]
    # Then those come back, and no other
    assert root(*undo.split()[1:]).stdout == f"Restored {3 - earlier} runs of '{name}'.\n"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("restore", "experiment:999999"), 4),
        (("restore", "12"), 2),
        (("restore", "colour:12"), 2),
        (("restore", "service_principal:12"), 4),
        (("purge", "user:alice", "--yes"), 4),
        (("purge",), 2),
        (("purge", "run:1", "--kind", "run"), 2),
        (("purge", "run:1", "--all"), 2),
        (("list", "--experiment", "/a/name"), 2),
        (("list", "--before", "soon"), 2),
    ],
)
def test_what_goes_wrong_in_the_trash(root: Run, words: tuple[str, ...], code: int) -> None:
    result = root("trash", *words)
    assert (result.exit_code, result.stdout) == (code, "")


def test_who_did_what(team: Team, root: Run, tmp_path: Path) -> None:
    # Given
    made = _json(root, "experiment", "create", "/activity")["experiment_id"]
    assert root("experiment", "delete", made, "--yes").exit_code == 0
    # When, Then
    words = ("activity", "list", "--target", f"experiment:{made}", "--since", "1h")
    found = _json(root, *words)
    assert [one["action"] for one in found] == ["experiment.delete", "experiment.create"]
    assert {one["actor"] for one in found} == {"root"}
    assert _json(root, *words, "--action", "experiment.del")[0]["target"] == made
    assert _json(root, *words, "--until", "1h") == []
    # When it is shown to a person: what --target takes, times as times, nothing that is empty
    text = root(*words).stdout
    assert (text.split()[:6], f"experiment:{made}" in text) == (
        ["time", "actor", "action", "target", "credential", "address"],
        True,
    )
    token = ("token", "create", "of-activity", "-o", "csv")
    (made_token,) = read_csv(root(*token).stdout)
    assert made_token["expiry_time"].endswith("Z")
    text = root("activity", "list", "--target", f"token:{made_token['id']}", "--all-workspaces").stdout
    assert f"expiry_time={made_token['expiry_time'][:4]}-" in text
    everywhere = _json(root, "activity", "list", "--all-workspaces", "--action", "user.create", "-n", "0")
    assert "root" in {one["target"] for one in everywhere}
    for wrong in (("--target", "foo:1"), ("--action", "bogus")):
        told = root("activity", "list", *wrong)
        assert (told.exit_code, told.stdout, "Types are artifact, experiment" in told.stderr) == (0, "", True)
    # When it is exported
    file = tmp_path / "activity.jsonl"
    export = ("activity", "export", "--target", f"experiment:{made}")
    assert root(*export, "--to", str(file)).exit_code == 0
    # Then its owner alone reads it
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    actions = [json.loads(line)["action"] for line in file.read_text().splitlines()]
    assert actions == ["experiment.create", "experiment.delete"]
    again = root(*export, "-o", "csv", "--to", str(file))
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert root(*export, "-o", "csv", "--to", str(file), "--force").exit_code == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [row["action"] for row in read_csv(file.read_text())] == actions
    # And nothing is written to where a link leads
    link, elsewhere = tmp_path / "link.csv", tmp_path / "elsewhere"
    link.symlink_to(elsewhere)
    assert root(*export, "-o", "csv", "--to", str(link)).exit_code == 2
    assert root(*export, "-o", "csv", "--to", str(link), "--force").exit_code == 0
    assert (link.is_symlink(), elsewhere.exists()) == (False, False)
    rows = read_csv(root(*export, "-o", "csv").stdout)
    assert [row["action"] for row in rows] == actions


def test_what_is_noted_is_known() -> None:
    """What is told where nothing was found: all types of things, and how all actions begin."""
    noted = re.compile(r'note\(\s*\w+,\s*\w+,\s*"([a-z]+)[a-z._]*",\s*"([a-z_]+)"')
    server = Path(runyard.server.__file__).parent
    found = [pair for file in server.rglob("*.py") for pair in noted.findall(file.read_text())]
    assert len(found) > 20
    assert {kind for _, kind in found} <= set(TYPES)
    assert {action for action, _ in found} <= set(ACTIONS)


def test_whether_the_record_is_whole(root: Run) -> None:
    head = _json(root, "activity", "head")["head"]
    found = _json(root, "activity", "verify", "--head", head)
    assert (found["ok"], found["complete"], found["broken"]) == (True, True, None)
    sequence, _, digest = head.partition(":")
    wrong = root("activity", "verify", "--head", f"{int(sequence) or 1}:{digest[::-1]}", "-o", "json")
    assert wrong.exit_code == 1
    assert json.loads(wrong.stdout)["broken"]["kind"] in ("rewritten", "cut")
    assert root("activity", "verify", "--head", "nonsense").exit_code == 1


def test_a_run_is_the_target_by_the_beginning_of_its_id(team: Team, root: Run) -> None:
    made = _json(root, "experiment", "create", "/target")["experiment_id"]
    token = root("token", "create", "target").stdout.strip()
    with Http(team.url, None, Credential(token)) as http:
        created = http.post("/api/2.0/mlflow/runs/create", {"experiment_id": made})
    run_id = created["run"]["info"]["run_id"]
    assert root("run", "delete", run_id[:8], "--yes").exit_code == 0
    for word in ("list", "export"):
        result = root("activity", word, "--target", f"run:{run_id[:8]}", "-o", "csv")
        assert [row["action"] for row in read_csv(result.stdout)] == ["run.delete"]


def test_times_in_csv_of_what_was_changed(root: Run) -> None:
    assert root("workspace", "create", "times").exit_code == 0
    assert root("user", "add", "times-user", "--no-password").exit_code == 0
    assert root("group", "create", "times-group").exit_code == 0
    for words, key in (
        (("workspace", "update", "times", "--description", "x"), "last_update_time"),
        (("workspace", "archive", "times"), "creation_time"),
        (("user", "disable", "times-user"), "creation_time"),
        (("user", "enable", "times-user"), "creation_time"),
        (("group", "delete", "times-group", "--yes"), "purge_time"),
    ):
        (row,) = read_csv(root(*words, "-o", "csv").stdout)
        assert row[key].endswith("Z"), words
