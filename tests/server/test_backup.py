"""The backup of the guide, of a running server, as the guide has it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.server.conftest import Start

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "secure-a-team-server.md"


def test_a_backup_has_all_that_was_acknowledged(start: Start, tmp_path: Path) -> None:
    # Given a server with something in it
    server = start()
    created = server.post("experiments/create", {"name": "kept"})["experiment_id"]
    run = server.post("runs/create", {"experiment_id": created, "start_time": 1})["run"]["info"]
    (tmp_path / "data" / "artifacts" / "x").mkdir()
    # When the guide's commands are run beside it
    found = re.search(r"## Backup.*?```\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None
    (tmp_path / "runyard-data").symlink_to(tmp_path / "data")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["bash", "-ec", found[1]], cwd=tmp_path, check=True, env={**os.environ, "PATH": path})
    server.end()
    # Then a new server finds it all
    shutil.rmtree(tmp_path / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "backup.db").rename(tmp_path / "data" / "runyard.db")
    (tmp_path / "backup-artifacts").rename(tmp_path / "data" / "artifacts")
    again = start()
    told = again.get(f"/api/2.0/mlflow/runs/get?run_id={run['run_id']}")["run"]["info"]
    assert told["experiment_id"] == created
    assert (tmp_path / "data" / "artifacts" / "x").is_dir()
