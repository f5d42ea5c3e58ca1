"""Quotas: what is full fails at once, with what to do; a rate that is reached is waited for, unseen."""

import contextlib
import json
import os
import pathlib
import tempfile
import time
import urllib.request

import mlflow
import requests
from harness import PEER, VERSION, fails, report, unique
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

SERVER = os.environ["MLFLOW_TRACKING_URI"]
AT_ONCE = 10.0


def native(method, path, body):
    """A request as an administrator's."""
    request = urllib.request.Request(
        f"{SERVER}/api/runyard/1/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def limit(workspace, **limits):
    """Set quotas of the workspace."""
    native("PATCH", f"workspaces/{workspace}/quotas", {"limits": limits})


@contextlib.contextmanager
def quickly():
    """The block takes no longer than one that sends each request once."""
    start = time.monotonic()
    yield
    took = time.monotonic() - start
    assert took < AT_ONCE, f"it took {took:.1f} s: the client tried again and again"


def check_full(workspace, client):
    """Sums that are used up."""
    limit(workspace, points_per_run=3, params_per_run=1, tags_per_run=20, artifact_bytes_per_run=10)
    run = client.create_run("0").info.run_id
    for step in range(3):
        client.log_metric(run, "m", step, step=step)
    client.log_param(run, "a", 1)
    command = f"runyard workspace quotas {workspace} --set points_per_run=6"
    with quickly():
        with fails("QUOTA_EXCEEDED", "'points_per_run'", "3 of 3 points", command):
            client.log_metric(run, "m", 3, step=3)
        with fails("QUOTA_EXCEEDED", "'params_per_run'"):
            client.log_param(run, "b", 1)
        with fails("QUOTA_EXCEEDED", "'points_per_run'"):
            client.log_batch(run, metrics=[mlflow.entities.Metric("x", 1.0, 1, 0)])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "f.txt"
            path.write_text("x" * 11)
            try:
                client.log_artifact(run, str(path))
            except (MlflowException, requests.HTTPError) as raised:
                told = str(raised)
            else:
                raise AssertionError("a file of 11 bytes in a run that may have 10")
            assert "403" in told, told
            assert VERSION < (2, 0) or "artifact_bytes_per_run" in told, told
        limit(workspace, runs_per_workspace=1)
        with fails("QUOTA_EXCEEDED", "'runs_per_workspace'"):
            client.create_run("0")
    assert client.get_run(run).data.metrics == {"m": 2.0}


def check_too_often(workspace, client):
    """The client waits as the server says, and nothing is lost."""
    limit(workspace, points_per_run="default", runs_per_workspace=None, requests_per_second=5)
    run = client.create_run("0").info.run_id
    for step in range(15):
        client.log_metric(run, "m", step, step=step)
    assert [point.step for point in client.get_metric_history(run, "m")] == list(range(15))


def main():
    """All of it, in a workspace of its own."""
    name = unique("quotas")
    native("POST", "workspaces", {"name": name})
    mlflow.set_tracking_uri(f"{SERVER}/w/{name}")
    check_full(name, MlflowClient())
    check_too_often(name, MlflowClient())
    report(workspace=name)


if PEER:
    report(skipped="MLflow's own server has no quotas")
else:
    main()
