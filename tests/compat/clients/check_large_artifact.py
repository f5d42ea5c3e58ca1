"""One large artifact up and down again. COMPAT_ARTIFACT_MB says how large; the test watches the server."""

import hashlib
import os
import pathlib
import tempfile
import time

import mlflow
from harness import new_experiment, report

MEGABYTE = 1024 * 1024


def write(path, megabytes):
    """Write incompressible content piece by piece; answer its digest."""
    digest = hashlib.sha256()
    piece = os.urandom(MEGABYTE)
    with path.open("wb") as file:
        for number in range(megabytes):
            block = number.to_bytes(8, "big") + piece[8:]
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def digest_of(path):
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main():
    megabytes = int(os.environ["COMPAT_ARTIFACT_MB"])
    new_experiment("large artifact")
    with tempfile.TemporaryDirectory() as name:
        path = pathlib.Path(name) / "large.bin"
        expected = write(path, megabytes)
        started = time.monotonic()
        with mlflow.start_run() as run:
            mlflow.log_artifact(str(path))
        sent = time.monotonic()
        path.unlink()
        (info,) = mlflow.MlflowClient().list_artifacts(run.info.run_id)
        assert info.file_size == megabytes * MEGABYTE
        got = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="large.bin", dst_path=name
        )
        received = time.monotonic()
        assert digest_of(pathlib.Path(got)) == expected
    report(
        megabytes=megabytes,
        up_mb_per_s=round(megabytes / (sent - started)),
        down_mb_per_s=round(megabytes / (received - sent)),
    )


if __name__ == "__main__":
    main()
