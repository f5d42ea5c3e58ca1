"""The user's own MLflow is neither read nor changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("demo")

# In a process of its own: it imports MLflow, and environments are the process's.
SCRIPT = """
import json, os
from runyard.demo.isolation import isolated

before = dict(os.environ)
with isolated("http://127.0.0.1:5999"):
    import mlflow
    from mlflow.utils.credentials import read_mlflow_creds
    from sklearn.linear_model import Ridge
    from runyard.demo.autologging import autologging

    seen = {"uri": mlflow.get_tracking_uri(), "credentials": [*read_mlflow_creds()]}
    seen["variables"] = sorted(name for name in os.environ if "MLFLOW_RUN_ID" in name or "TOKEN" in name)
    original = Ridge.fit
    with autologging(log_models=False):
        seen["patched"] = Ridge.fit is not original
    seen["restored"] = Ridge.fit is original
    os.environ["MLFLOW_EXPERIMENT_ID"] = "7"
seen["same environment"] = dict(os.environ) == before
print(json.dumps(seen))
"""


def test_the_client_knows_one_server_and_leaves_no_trace(tmp_path: Path) -> None:
    # Given a user who has configured another server
    home = tmp_path / "home"
    (home / ".mlflow").mkdir(parents=True)
    (home / ".mlflow" / "credentials").write_text(
        "[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = secret\n"
    )
    environment = os.environ | {
        "HOME": str(home),
        "MLFLOW_TRACKING_URI": "http://elsewhere.example",
        "MLFLOW_RUN_ID": "0" * 32,
        "MLFLOW_TRACKING_TOKEN": "secret",
    }
    # When
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    # Then
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "uri": "http://127.0.0.1:5999",
        "credentials": [None, None],
        "variables": [],
        "patched": True,
        "restored": True,
        "same environment": True,
    }
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
