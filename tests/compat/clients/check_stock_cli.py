"""The stock `mlflow` command: experiments, runs and artifacts from a shell."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import mlflow
from click.testing import CliRunner
from harness import PEER, VERSION, report, unique
from mlflow.cli import cli

CLIENT = mlflow.MlflowClient()
MLFLOW = pathlib.Path(sys.executable).with_name("mlflow")


def command(*arguments):
    """Run `mlflow ARGUMENTS` in this process, which saves the import of every further one."""
    result = CliRunner().invoke(cli, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (
        f"mlflow {' '.join(map(str, arguments))}: {result.output} {result.exception!r}"
    )
    return result.output


def check_experiments():
    name = unique("command line")
    output = command("experiments", "create", "--experiment-name", name)
    experiment_id = re.search(r"with id (\d+)", output).group(1)
    assert CLIENT.get_experiment(experiment_id).name == name
    renamed = unique("renamed by command")
    command("experiments", "rename", "--experiment-id", experiment_id, "--new-name", renamed)
    assert CLIENT.get_experiment(experiment_id).name == renamed
    command("experiments", "delete", "--experiment-id", experiment_id)
    assert CLIENT.get_experiment(experiment_id).lifecycle_stage == "deleted"
    if VERSION >= (2, 0):
        assert renamed not in command("experiments", "search")
        assert renamed in command("experiments", "search", "--view", "deleted_only")
    elif not PEER:  # the 1.x command needs experiments/list, gone from MLflow's server
        assert renamed not in command("experiments", "list")
        assert renamed in command("experiments", "list", "--view", "deleted_only")
    if VERSION >= (3, 0):
        assert renamed in command("experiments", "get", "--experiment-id", experiment_id)
    command("experiments", "restore", "--experiment-id", experiment_id)
    assert CLIENT.get_experiment(experiment_id).lifecycle_stage == "active"
    return experiment_id, renamed


def check_runs(experiment_id):
    with mlflow.start_run(experiment_id=experiment_id, run_name="from the shell") as run:
        mlflow.log_metric("loss", 0.5)
        mlflow.log_param("lr", 0.1)
    run_id = run.info.run_id
    listing = command("runs", "list", "--experiment-id", experiment_id)
    assert run_id in listing
    assert "from the shell" in listing
    described = json.loads(command("runs", "describe", "--run-id", run_id))
    assert described["info"]["run_id"] == run_id
    assert described["data"]["metrics"] == {"loss": 0.5}
    assert described["data"]["params"] == {"lr": "0.1"}
    command("runs", "delete", "--run-id", run_id)
    assert run_id not in command("runs", "list", "--experiment-id", experiment_id)
    assert run_id in command("runs", "list", "--experiment-id", experiment_id, "--view", "deleted_only")
    command("runs", "restore", "--run-id", run_id)
    assert CLIENT.get_run(run_id).info.lifecycle_stage == "active"
    if VERSION >= (3, 0):
        output = command("runs", "create", "--experiment-id", experiment_id, "--run-name", "made by command")
        assert "made by command" in output
    return run_id


def check_csv(experiment_id, folder):
    command("experiments", "csv", "--experiment-id", experiment_id, "--filename", folder / "runs.csv")
    header, row = (folder / "runs.csv").read_text().splitlines()[:2]
    assert "metrics.loss" in header
    assert "params.lr" in header
    assert row


def check_artifacts(run_id, folder):
    (folder / "up").mkdir()
    (folder / "up" / "one.txt").write_text("one")
    (folder / "up" / "two.txt").write_text("two")
    single, tree = folder / "up" / "one.txt", folder / "up"
    command(
        "artifacts", "log-artifact", "--run-id", run_id, "--local-file", single, "--artifact-path", "solo"
    )
    command("artifacts", "log-artifacts", "--run-id", run_id, "--local-dir", tree, "--artifact-path", "tree")
    listing = json.loads(command("artifacts", "list", "--run-id", run_id))
    assert [(entry["path"], entry["is_dir"]) for entry in listing] == [("solo", True), ("tree", True)]
    listing = json.loads(command("artifacts", "list", "--run-id", run_id, "--artifact-path", "tree"))
    assert [(entry["path"], int(entry["file_size"])) for entry in listing] == [
        ("tree/one.txt", 3),
        ("tree/two.txt", 3),
    ]
    target = folder / "down"
    target.mkdir()
    download = ["artifacts", "download", "--run-id", run_id, "--artifact-path", "tree"]
    if VERSION >= (2, 0):
        command(*download, "--dst-path", target)
        assert (target / "tree" / "two.txt").read_text() == "two"
    else:
        path = command(*download).strip().splitlines()[-1]
        assert (pathlib.Path(path) / "two.txt").read_text() == "two"


def check_real_process(name, run_id):
    """Once as a shell would: the installed console script."""
    arguments = ["experiments", "search"] if VERSION >= (2, 0) else ["artifacts", "list", "--run-id", run_id]
    result = subprocess.run([MLFLOW, *arguments], capture_output=True, text=True, env=os.environ, check=False)
    assert result.returncode == 0, result.stderr
    assert (name if VERSION >= (2, 0) else "solo") in result.stdout


def main():
    experiment_id, name = check_experiments()
    run_id = check_runs(experiment_id)
    with tempfile.TemporaryDirectory() as folder:
        check_csv(experiment_id, pathlib.Path(folder))
        check_artifacts(run_id, pathlib.Path(folder))
    check_real_process(name, run_id)
    report()


if __name__ == "__main__":
    main()
