"""Deletes a run's artifacts; with COMPAT_RUN it finds those of that run whole again."""

import os
import pathlib
import tempfile

import mlflow
from harness import new_experiment, report
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

CLIENT = mlflow.MlflowClient()
FILES = {"a.txt": b"a", "dir/b.bin": bytes(range(256)), "dir/sub/ü 1.txt": b"c", "kept.txt": b"kept"}


def found(run_id):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(CLIENT.download_artifacts(run_id, "", folder))
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def main():
    run_id = os.environ.get("COMPAT_RUN")
    if run_id:
        assert found(run_id) == FILES, found(run_id)
        report(run_id=run_id)
        return
    new_experiment("deleted artifacts")
    with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            path = pathlib.Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        mlflow.log_artifacts(folder)
    repository = get_artifact_repository(CLIENT.get_run(run.info.run_id).info.artifact_uri)
    repository.delete_artifacts("a.txt")
    repository.delete_artifacts("dir")
    repository.delete_artifacts("never/there")
    assert found(run.info.run_id) == {"kept.txt": b"kept"}
    report(run_id=run.info.run_id)


if __name__ == "__main__":
    main()
