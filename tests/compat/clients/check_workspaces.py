"""Workspaces: chosen by address, by any client; by name, made and deleted, by those that know them (3.10).

Two of them see nothing of each other: runs, experiments, models, artifacts.
"""

import contextlib
import json
import os
import pathlib
import tempfile
import urllib.request

# Small files go up in parts too: a part's address must name the workspace by itself.
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(1024 * 1024)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(512 * 1024)

import mlflow
import mlflow.tracking._tracking_service.client
import mlflow.tracking._tracking_service.utils
from harness import PEER, VERSION, fails, report, unique

tracking = mlflow.tracking._tracking_service

SERVER = os.environ["MLFLOW_TRACKING_URI"]
KNOWS_WORKSPACES = VERSION >= (3, 10)
BIG = os.urandom(1200 * 1024)


def new_name(stem):
    """A workspace's name that no other script has used."""
    return unique(stem).lower()


def make_by_hand(stem):
    """Make a workspace as an administrator does whose client knows none."""
    name = new_name(stem)
    request = urllib.request.Request(
        f"{SERVER}/api/3.0/mlflow/workspaces",
        json.dumps({"name": name}).encode(),
        {"Content-Type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 201
    return name


def train(text, experiment_name):
    """Log a run to the default experiment and one to an experiment; returns their ids."""
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_name=text) as first:
        mlflow.log_param("workspace", text)
        mlflow.log_metric("m", len(text), step=1)
        path = pathlib.Path(folder) / "a.txt"
        path.write_text(text)
        mlflow.log_artifact(str(path), "files")
        path = pathlib.Path(folder) / "big.bin"
        path.write_bytes(BIG)
        mlflow.log_artifact(str(path))
    experiment_id = mlflow.create_experiment(experiment_name)
    with mlflow.start_run(experiment_id=experiment_id, run_name=text) as second:
        mlflow.log_metric("m", 1)
    return first.info, second.info


def check_own(text, experiment_name, infos):
    """Everything that was logged is there, and nothing else."""
    client = mlflow.MlflowClient()
    first, second = infos
    assert client.get_run(first.run_id).data.params == {"workspace": text}
    default = client.get_experiment("0")
    assert (default.name, default.experiment_id) == ("Default", first.experiment_id)
    found = client.search_runs(["0", second.experiment_id])
    assert {run.info.run_id for run in found} == {first.run_id, second.run_id}
    assert client.get_experiment_by_name(experiment_name).experiment_id == second.experiment_id
    assert {entry.path for entry in client.list_artifacts(first.run_id)} == {"files", "big.bin"}
    with tempfile.TemporaryDirectory() as folder:
        got = pathlib.Path(client.download_artifacts(first.run_id, "files/a.txt", folder))
        assert got.read_text() == text
        got = pathlib.Path(client.download_artifacts(first.run_id, "big.bin", folder))
        assert got.read_bytes() == BIG


def forget_places():
    """A client remembers by itself where a run's artifacts are, even when its address changes."""
    for holder in (tracking.client.TrackingServiceClient, tracking.utils):
        getattr(holder, "_artifact_repos_cache", {}).clear()


def check_foreign(infos):
    """Of another workspace's runs and experiments nothing is there."""
    client = mlflow.MlflowClient()
    for info in infos:
        with fails("RESOURCE_DOES_NOT_EXIST", info.run_id):
            client.get_run(info.run_id)
        with fails("RESOURCE_DOES_NOT_EXIST"):
            client.get_experiment(info.experiment_id)
        with fails("RESOURCE_DOES_NOT_EXIST"):
            client.log_metric(info.run_id, "m", 2)
        assert list(client.search_runs([info.experiment_id])) == []
    forget_places()
    with tempfile.TemporaryDirectory() as folder:
        downloaded = []
        with contextlib.suppress(Exception):
            downloaded.append(client.download_artifacts(infos[0].run_id, "files/a.txt", folder))
        assert downloaded == [], "another workspace's artifact"


def check_two(first, second, choose):
    """Log to two workspaces by turns; the same names may be in both."""
    infos = {}
    for name in (first, second):
        choose(name)
        infos[name] = train(name, "same name")
    for name, other in ((first, second), (second, first)):
        choose(name)
        check_own(name, "same name", infos[name])
        check_foreign(infos[other])
    return infos


def check_by_address():
    """The address alone chooses: any client, and any language, can."""

    def choose(name):
        mlflow.set_tracking_uri(f"{SERVER}/w/{name}")

    check_two(make_by_hand("address-a"), make_by_hand("address-b"), choose)
    choose(new_name("nobody"))
    with fails("RESOURCE_DOES_NOT_EXIST"):
        mlflow.MlflowClient().get_experiment("0")
    mlflow.set_tracking_uri(SERVER)


def check_life():
    """Made, found, changed, deleted."""
    name = new_name("life")
    made = mlflow.create_workspace(name, description="first")
    assert (made.name, made.description) == (name, "first")
    with fails("RESOURCE_ALREADY_EXISTS", name):
        mlflow.create_workspace(name)
    with fails("INVALID_PARAMETER_VALUE"):
        mlflow.create_workspace("Not-A-Name")
    assert mlflow.get_workspace(name).description == "first"
    assert mlflow.update_workspace(name, description="second").description == "second"
    assert mlflow.get_workspace(name).description == "second"
    assert {"default", name} <= {one.name for one in mlflow.list_workspaces()}
    with mlflow_workspace(name), mlflow.start_run():
        mlflow.log_metric("m", 1)
    # MLflow's client answers a refusal as its own server would: something is in it.
    with fails("INVALID_STATE" if PEER else "INVALID_PARAMETER_VALUE"):
        mlflow.delete_workspace(name)
    mlflow.delete_workspace(name, mode="CASCADE")
    assert name not in {one.name for one in mlflow.list_workspaces()}
    with fails("RESOURCE_DOES_NOT_EXIST", name):
        mlflow.get_workspace(name)
    empty = new_name("empty")
    mlflow.create_workspace(empty)
    mlflow.delete_workspace(empty)
    with fails("INVALID_PARAMETER_VALUE"):
        mlflow.delete_workspace("default")


class mlflow_workspace:  # noqa: N801 - reads as a function
    """Choose a workspace for a while."""

    def __init__(self, name):
        self._name = name

    def __enter__(self):
        mlflow.set_workspace(self._name)

    def __exit__(self, *_):
        mlflow.set_workspace(None)


def check_by_name():
    """mlflow.set_workspace and MLFLOW_WORKSPACE."""
    first, second = new_name("name-a"), new_name("name-b")
    for name in (first, second):
        mlflow.create_workspace(name)
    infos = check_two(first, second, mlflow.set_workspace)
    mlflow.set_workspace(first)
    if hasattr(mlflow, "initialize_logged_model"):
        model = mlflow.initialize_logged_model(name="a")
        mlflow.set_workspace(second)
        with fails("RESOURCE_DOES_NOT_EXIST", model.model_id):
            mlflow.get_logged_model(model.model_id)
        assert mlflow.search_logged_models(experiment_ids=["0"], output_format="list") == []
    mlflow.set_workspace(None)
    os.environ["MLFLOW_WORKSPACE"] = second
    check_own(second, "same name", infos[second])
    check_foreign(infos[first])
    del os.environ["MLFLOW_WORKSPACE"]
    check_foreign(infos[second])


def main():
    check_by_address()
    if KNOWS_WORKSPACES:
        check_life()
        check_by_name()
    report(knows_workspaces=KNOWS_WORKSPACES)


if __name__ == "__main__":
    main()
