"""Who may not is told why: by a token that isn't one, without any, and where the role doesn't reach.

A tracking token alone leads to its workspace.
"""

import base64
import json
import os
import urllib.request

import mlflow
from harness import VERSION, fails, report
from mlflow.tracking import MlflowClient

# Clients before 2.3 know no other code for it.
NOT_SIGNED_IN = "UNAUTHENTICATED" if VERSION >= (2, 3) else "CUSTOMER_UNAUTHORIZED"
NAMES = ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def check_wrong_token():
    os.environ["MLFLOW_TRACKING_TOKEN"] = "ryp_" + "x" * 43
    with fails(NOT_SIGNED_IN, "token", "revoked"):
        mlflow.get_experiment("0")


def check_none():
    with fails(NOT_SIGNED_IN, "sign in first", "MLFLOW_TRACKING_TOKEN"):
        mlflow.get_experiment("0")


def check_tracking_token(kept):
    run = MlflowClient().create_run("0").info.run_id
    token = _tracking_token(kept, "elsewhere")
    for name in kept:
        del os.environ[name]
    os.environ["MLFLOW_TRACKING_TOKEN"] = token
    with mlflow.start_run() as active:
        mlflow.log_metric("m", 1)
        mlflow.log_dict({"a": 1}, "a.json")
    found = MlflowClient().get_run(active.info.run_id)
    assert found.data.metrics == {"m": 1}
    assert [file.path for file in MlflowClient().list_artifacts(active.info.run_id)] == ["a.json"]
    with fails("RESOURCE_DOES_NOT_EXIST", run):
        MlflowClient().get_run(run)


def _tracking_token(kept, workspace):
    """A token for tracking in a workspace, for whoever the credential of the environment is of."""
    sent = f"Bearer {kept['MLFLOW_TRACKING_TOKEN']}" if "MLFLOW_TRACKING_TOKEN" in kept else None
    if sent is None:
        pair = f"{kept['MLFLOW_TRACKING_USERNAME']}:{kept['MLFLOW_TRACKING_PASSWORD']}"
        sent = "Basic " + base64.b64encode(pair.encode()).decode()
    request = urllib.request.Request(
        f"{os.environ['MLFLOW_TRACKING_URI']}/api/runyard/1/tokens/tracking",
        b"{}",
        {"Authorization": sent, "Content-Type": "application/json", "X-MLFLOW-WORKSPACE": workspace},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)["token"]


def main():
    kept = {name: os.environ.pop(name) for name in NAMES if name in os.environ}
    check_none()
    check_wrong_token()
    del os.environ["MLFLOW_TRACKING_TOKEN"]
    os.environ.update(kept)
    run = MlflowClient().create_run("0")
    assert MlflowClient().get_run(run.info.run_id).info.user_id
    check_tracking_token(kept)
    report()


if __name__ == "__main__":
    main()
