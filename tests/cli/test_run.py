"""`runyard run` against a running server."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Farm, Run, read_csv, read_json
from tests.server.process import Process


@pytest.fixture(scope="module")
def experiment(farm: Farm) -> str:
    return farm.experiment("/cli/runs")


@pytest.fixture(scope="module")
def runs(farm: Farm, experiment: str) -> list[str]:
    """Three runs that differ, the oldest first."""
    return [
        farm.run(
            experiment,
            f"try-{i}",
            ended="FAILED" if i == 2 else "FINISHED",
            metrics={"loss": [1.0, 0.5 + i, 0.25 + i], "acc": float("nan") if i == 2 else 0.9},
            params={"lr": f"0.{i}", "model": "ridge"},
            tags={"note": "=1+1", "mlflow.user": "nobody"},
        )
        for i in range(3)
    ]


def _json(run: Run, *words: str) -> Any:
    return read_json(run("run", *words, "-o", "json"))


def test_runs_are_listed_the_newest_first(run: Run, runs: list[str]) -> None:
    found = _json(run, "list", "-e", "/cli/runs")
    assert [one["run_id"] for one in found] == runs[::-1]
    first = found[0]
    assert first["experiment"] == "/cli/runs"
    assert (first["status"], first["duration"]) == ("FAILED", 61_000)
    assert list(first) == [
        "run_id", "run_name", "experiment", "status", "start_time", "duration", "user_id",
    ]  # fmt: skip


def test_columns_filter_and_order_are_chosen(run: Run, runs: list[str]) -> None:
    words = ("list", "-e", "/cli/runs", "--filter", "status = 'FINISHED'", "--order-by", "metrics.loss DESC")
    found = _json(
        run, *words, "--columns", "run_name, metrics.*, min(metrics.loss), argmin(metrics.loss), params.lr"
    )
    assert found == [
        {
            "run_name": f"try-{i}",
            "metrics.acc": 0.9,
            "metrics.loss": 0.25 + i,
            "min(metrics.loss)": min(1.0, 0.25 + i),
            "argmin(metrics.loss)": 2 if i == 0 else 0,
            "params.lr": f"0.{i}",
        }
        for i in (1, 0)
    ]


def test_the_forms_of_a_list(run: Run, runs: list[str]) -> None:
    words = ("run", "list", "-e", "/cli/runs", "--columns", "run_id,start_time,metrics.acc,tags.note")
    rows = read_csv(run(*words, "-o", "csv").stdout)
    assert [row["run_id"] for row in rows] == runs[::-1]
    assert [row["metrics.acc"] for row in rows] == ["", "0.9", "0.9"]
    assert {row["tags.note"] for row in rows} == {"'=1+1"}
    assert all(row["start_time"].endswith("Z") for row in rows)
    lines = run(*words).stdout.splitlines()
    assert lines[0].split() == ["run_id", "started", "metrics.acc", "tags.note"]
    assert [line.split()[0] for line in lines[1:]] == runs[::-1]


def test_without_an_experiment_all_are_searched(run: Run, runs: list[str], farm: Farm) -> None:
    other = farm.run(farm.experiment("/cli/other"), "elsewhere", params={"where": "else"})
    found = _json(run, "list", "--filter", "params.where = 'else'", "--columns", "run_id, experiment")
    assert found == [{"run_id": other, "experiment": "/cli/other"}]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("list", "-e", "/cli/nothing"), 4, "/cli/nothing"),
        (("list", "--columns", "colour"), 2, "colour"),
        (("list", "--filter", "metrics.a >"), 1, "metrics.a >"),
        (("show", "0" * 32), 4, "0000"),
        (("show", "abcdef"), 4, "abcdef"),
        (("show", "5b83"), 2, "give 6 characters or more"),
        (("compare", "0" * 32), 2, "two runs"),
        (("delete", "0" * 32, "--yes"), 4, "0000"),
        (("download", "0" * 32), 4, "0000"),
        (("watch", "0" * 32), 4, "0000"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_code(
    run: Run, words: tuple[str, ...], code: int, told: str
) -> None:
    result = run("run", *words)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


def test_a_run_is_shown_by_the_beginning_of_its_id(run: Run, runs: list[str]) -> None:
    shown = _json(run, "show", runs[2][:12])
    assert (shown["run_id"], shown["run_name"]) == (runs[2], "try-2")
    assert (shown["experiment_name"], shown["deleted_time"]) == ("/cli/runs", None)
    assert shown["params"] == {"lr": "0.2", "model": "ridge"}
    assert shown["metrics"]["acc"]["value"] == "NaN"
    assert (shown["metrics"]["loss"]["value"], shown["metrics"]["loss"]["step"]) == (2.25, 2)
    assert shown["tags"]["mlflow.user"] == "nobody"
    used = {quota["name"]: (quota["used"], quota["limit"]) for quota in shown["quotas"]}
    assert used["points_per_run"] == (4, 100_000_000)


def test_a_run_for_people_and_for_spreadsheets(run: Run, runs: list[str]) -> None:
    text = run("run", "show", runs[0]).stdout
    assert "lr     0.0" in text
    assert "mlflow.user" not in text
    assert "mlflow.user" in run("run", "show", runs[0], "--all-tags").stdout
    rows = read_csv(run("run", "show", runs[0], "-o", "csv").stdout)
    values = {(row["kind"], row["key"]): row["value"] for row in rows}
    assert values["param", "lr"] == "0.0"
    assert values["metric", "loss"] == "0.25"
    assert values["tag", "note"] == "'=1+1"
    assert values["attribute", "status"] == "FINISHED"
    assert values["attribute", "start_time"].endswith("Z")
    assert (values["used", "params_per_run"], values["limit", "params_per_run"]) == ("2", "10000")
    line = next(line for line in text.splitlines() if line.startswith("points_per_run"))
    assert line.split() == ["points_per_run", "run", "4", "100,000,000", "0", "%"]


def test_a_comparison_shows_what_differs(run: Run, runs: list[str]) -> None:
    one, two = runs[0], runs[2]
    rows = {(row["kind"], row["key"]): row for row in _json(run, "compare", one, two)}
    assert rows["param", "lr"]["values"] == {one: "0.0", two: "0.2"}
    assert rows["metric", "acc"]["values"] == {one: 0.9, two: "NaN"}
    assert rows["attribute", "status"]["values"] == {one: "FINISHED", two: "FAILED"}
    assert ("param", "model") not in rows
    everything = {(row["kind"], row["key"]): row for row in _json(run, "compare", one, two, "--all")}
    assert everything["param", "model"]["differs"] is False
    lines = [line.split() for line in run("run", "compare", one, two).stdout.splitlines()]
    assert ["param", "lr", "0.0", "0.2"] in lines
    table = read_csv(run("run", "compare", one, two, "-o", "csv").stdout)
    values = {row["key"]: (row[one], row[two]) for row in table}
    assert values["lr"] == ("0.0", "0.2")
    assert all(time.endswith("Z") for time in values["start_time"])


def test_a_value_that_one_lacks_is_a_difference(run: Run, farm: Farm, experiment: str) -> None:
    one, two = farm.run(experiment, params={"a": "1"}), farm.run(experiment, metrics={"x": float("nan")})
    three = farm.run(experiment, metrics={"x": float("nan")})
    rows = {(row["kind"], row["key"]): row["values"] for row in _json(run, "compare", one, two)}
    assert rows["param", "a"] == {one: "1"}
    assert rows["metric", "x"] == {two: "NaN"}
    assert ("metric", "x") not in {(row["kind"], row["key"]) for row in _json(run, "compare", two, three)}


def test_runs_go_to_the_trash_and_come_back(run: Run, farm: Farm, experiment: str) -> None:
    ids = [farm.run(experiment, f"doomed-{i}") for i in range(2)]
    refused = run("run", "delete", *ids)
    assert (refused.exit_code, refused.stdout) == (2, "")
    told = _json(run, "delete", *ids, "--yes")
    listed = json.loads(run("trash", "list", "--kind", "run", "-e", experiment, "-o", "json").stdout)
    times = {one["id"]: (one["deleted_time"], one["purge_time"]) for one in listed}
    assert told == {"deleted": ids, "purge_time": times[ids[1]][1]}
    shown = _json(run, "show", ids[1])
    assert (shown["lifecycle_stage"], shown["deleted_time"]) == ("deleted", times[ids[1]][0])
    deleted = _json(run, "list", "-e", experiment, "--view", "deleted", "--columns", "run_id")
    assert {one["run_id"] for one in deleted} == set(ids)
    everywhere = _json(run, "list", "--view", "deleted", "--columns", "run_id")
    assert {one["run_id"] for one in everywhere} >= set(ids)
    assert "doomed-0" in run("run", "restore", *ids).stdout
    assert _json(run, "list", "-e", experiment, "--view", "deleted") == []
    # When the message is followed, with beginnings of the ids
    told, _, undo = run("run", "delete", *ids, "--yes").stdout.strip().partition(". To undo: runyard ")
    assert told.startswith("In the trash: runs 'doomed-0', 'doomed-1', until 20")
    assert undo == f"trash restore run:{ids[0]} run:{ids[1]}"
    begun = ("trash", "restore", *(f"run:{one[:7]}" for one in ids))
    assert run(*begun).stdout == "Restored 2 runs.\n"
    assert run(*begun).exit_code == 4


@pytest.fixture(scope="module")
def files(server: Process, farm: Farm, experiment: str) -> dict[str, Any]:
    """A run with files."""
    run_id = farm.run(experiment, "with files")
    content = {"top.txt": b"top", "model/weights.bin": bytes(range(256)) * 1000, "model/a b/ä.txt": b"x"}
    for path, body in content.items():
        at = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/default/{experiment}/{run_id}/artifacts/"
        request = urllib.request.Request(at + urllib.request.quote(path), body, method="PUT")  # type: ignore[attr-defined]
        urllib.request.urlopen(request).close()
    return {"run_id": run_id, "content": content}


def _read(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_are_downloaded(run: Run, files: dict[str, Any], tmp_path: Path) -> None:
    told = _json(run, "download", files["run_id"], "--to", str(tmp_path / "new"))
    assert _read(tmp_path / "new") == files["content"]
    assert {one["path"]: one["size"] for one in told["files"]} == {
        k: len(v) for k, v in files["content"].items()
    }


def test_some_paths_are_downloaded(run: Run, files: dict[str, Any], tmp_path: Path) -> None:
    text = run("run", "download", files["run_id"], "model/a b/", "top.txt", "--to", str(tmp_path)).stdout
    assert text == f"Downloaded 2 files, 4 B, to {tmp_path}.\n"
    assert set(_read(tmp_path)) == {"top.txt", "model/a b/ä.txt"}


def test_what_is_there_is_left_alone_unless_forced(run: Run, files: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "top.txt").write_text("mine")
    told = run("run", "download", files["run_id"], "--to", str(tmp_path)).stdout
    assert "1 were there already" in told
    assert (tmp_path / "top.txt").read_text() == "mine"
    run("run", "download", files["run_id"], "--to", str(tmp_path), "--force")
    assert _read(tmp_path) == files["content"]


def test_the_folder_is_named_like_the_run(
    run: Run, files: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("run", "download", files["run_id"][:10]).exit_code == 0
    assert _read(tmp_path / files["run_id"]) == files["content"]


def test_a_path_with_nothing_is_told(run: Run, files: dict[str, Any], tmp_path: Path) -> None:
    result = run("run", "download", files["run_id"], "nothing", "--to", str(tmp_path))
    assert (result.exit_code, _read(tmp_path)) == (4, {})
    assert "nothing" in result.stderr


def test_a_folder_that_cannot_be_written_is_told(run: Run, files: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("run", "download", files["run_id"], "--to", str(tmp_path / "file" / "below"))
    assert result.exit_code == 1
    assert "can't be written" in result.stderr


def test_a_file_goes_to_the_trash_and_comes_back(run: Run, files: dict[str, Any], tmp_path: Path) -> None:
    run_id = files["run_id"]
    refused = run("run", "delete-artifact", run_id, "model")
    assert (refused.exit_code, refused.stdout) == (2, "")
    told = _json(run, "delete-artifact", run_id, "model", "--yes")
    assert (told["path"], told["artifact_files"], told["artifact_bytes"]) == ("model", 2, 256_001)
    listed = json.loads(run("trash", "list", "--kind", "artifact", "--sizes", "-o", "json").stdout)
    (found,) = (one for one in listed if one["id"] == told["id"])
    assert (found["name"], found["artifact_bytes"]) == (f"{run_id}/artifacts/model/", 256_001)
    assert found["purge_time"] == told["purge_time"]
    gone = run("run", "delete-artifact", run_id, "model", "--yes")
    assert (gone.exit_code, gone.stdout) == (4, "")
    text = run("trash", "restore", f"artifact:{told['id']}").stdout
    assert text == "Restored 1 artifact.\n"
    text = run("run", "delete-artifact", run_id[:10], "top.txt", "--yes").stdout
    assert re.fullmatch(
        r"In the trash: artifact 'top.txt', 1 file, 3 B, until 20\d\d-[-\d: ]+. "
        r"To undo: runyard trash restore artifact:[0-9a-f]{32}\n",
        text,
    )
    kind, _, whole = text.split()[-1].partition(":")
    assert run("trash", "restore", f"{kind}:{whole[:8]}").exit_code == 0
    run("run", "download", run_id, "--to", str(tmp_path))
    assert _read(tmp_path) == files["content"]


def test_watching_a_run_that_has_ended_shows_it_once(run: Run, runs: list[str]) -> None:
    lines = run("run", "watch", runs[2]).stdout.splitlines()
    assert lines[0].endswith("  status  FAILED")
    assert any(line.endswith("  loss  2.25  step 2") for line in lines)
    events = [json.loads(line) for line in run("run", "watch", runs[2], "-o", "json").stdout.splitlines()]
    assert {event["key"]: event["value"] for event in events} == {
        "status": "FAILED",
        "acc": "NaN",
        "loss": 2.25,
    }
    rows = read_csv(run("run", "watch", runs[2], "-o", "csv").stdout)
    assert [row["kind"] for row in rows] == ["status", "metric", "metric"]


@pytest.mark.parametrize(("number", "code"), [(0, 0), (2, 1)])
def test_a_watch_can_end_like_the_run(run: Run, runs: list[str], number: int, code: int) -> None:
    assert run("run", "watch", runs[number]).exit_code == 0
    assert run("run", "watch", runs[number], "--exit-status").exit_code == code


def test_the_error_of_a_full_quota_names_the_command_that_raises_it(run: Run, farm: Farm) -> None:
    # Given
    experiment = farm.experiment("/cli/full")
    assert run("workspace", "quotas", "default", "--set", "runs_per_experiment=1").exit_code == 0
    try:
        farm.run(experiment)
        with pytest.raises(urllib.error.HTTPError) as refused:
            farm.run(experiment)
        told = json.load(refused.value)
        assert (refused.value.code, told["error_code"]) == (403, "QUOTA_EXCEEDED")
        # When
        command = told["message"].partition("An administrator of the server can raise it: runyard ")[2]
        assert run(*command.split()).exit_code == 0
        # Then
        farm.run(experiment)
    finally:
        run("workspace", "quotas", "default", "--set", "runs_per_experiment=default")
