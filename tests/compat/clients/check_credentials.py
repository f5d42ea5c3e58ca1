"""Who may not is told why: by a token that isn't one, without any, and where the role doesn't reach."""

import os

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


def main():
    kept = {name: os.environ.pop(name) for name in NAMES if name in os.environ}
    check_none()
    check_wrong_token()
    del os.environ["MLFLOW_TRACKING_TOKEN"]
    os.environ.update(kept)
    run = MlflowClient().create_run("0")
    assert MlflowClient().get_run(run.info.run_id).info.user_id
    report()


if __name__ == "__main__":
    main()
