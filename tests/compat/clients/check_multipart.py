"""Multipart upload through the server (2.10 and later): parts sent at once, put together in order."""

import os
import pathlib
import tempfile

os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"] = "true"
os.environ["MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"] = str(1024 * 1024)
os.environ["MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE"] = str(512 * 1024)

import mlflow
from harness import PEER, VERSION, new_experiment, report
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

SIZE = 5 * 1024 * 1024 + 77  # the last part is a short one


def count_completions():
    """Record the number of parts of each multipart upload that the client completes."""
    completed = []
    complete = HttpArtifactRepository.complete_multipart_upload

    def counted(self, local_file, upload_id, parts=None, artifact_path=None):
        completed.append(len(parts))
        return complete(self, local_file, upload_id, parts, artifact_path)

    HttpArtifactRepository.complete_multipart_upload = counted
    return completed


def check_round_trip(path, folder):
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(path), "deep/folder")
    client = mlflow.MlflowClient()
    (info,) = client.list_artifacts(run.info.run_id, "deep/folder")
    assert (info.path, info.file_size) == (f"deep/folder/{path.name}", SIZE)
    got = client.download_artifacts(run.info.run_id, f"deep/folder/{path.name}", folder)
    assert pathlib.Path(got).read_bytes() == path.read_bytes()


def main():
    new_experiment("multipart")
    completed = count_completions()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "weights of größe.bin"
        path.write_bytes(os.urandom(SIZE))
        check_round_trip(path, folder)
        if VERSION >= (3, 0):
            del os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"]  # now server-info decides
            check_round_trip(path, folder)
            os.environ["MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD"] = "true"  # falls back where there is none
            check_round_trip(path, folder)
    # MLflow's server offers multipart uploads only before an object store: the client falls back.
    assert completed == ([] if PEER else [11] * (3 if VERSION >= (3, 0) else 1)), completed
    report(parts=completed)


if __name__ == "__main__":
    main()
