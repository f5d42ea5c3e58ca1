"""Artifacts up and down: sizes, names, folders, every kind of logging, listing and deletion."""

import hashlib
import io
import json
import os
import pathlib
import tempfile

import mlflow
from harness import VERSION, new_experiment, report
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

CLIENT = mlflow.MlflowClient()
FIVE_MB = 5 * 1024 * 1024


def digest(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def listed(run_id, path=None):
    """Paths and sizes; a folder's path ends with a slash. (MLflow's server leaves out a size of 0.)"""
    return [
        (f"{info.path}/", None) if info.is_dir else (info.path, info.file_size or 0)
        for info in CLIENT.list_artifacts(run_id, path)
    ]


def make_tree(root):
    files = {
        "empty.bin": b"",
        "five.bin": os.urandom(FIVE_MB),
        "deep/er/still/leaf.txt": b"leaf",
        "deep/second.txt": b"second",
        "with space/and ümlaut 実験.txt": "größe".encode(),
        "100% a+b&c=d;e@f~(g)'h!,$.txt": b"reserved characters",
    }
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return files


def check_files(folder):
    files = make_tree(folder / "up")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder / "up"), "tree")
        mlflow.log_artifact(str(folder / "up" / "five.bin"))
        mlflow.log_artifact(str(folder / "up" / "empty.bin"), "a/b c/d")
        run_id = run.info.run_id
    assert listed(run_id) == [("a/", None), ("five.bin", FIVE_MB), ("tree/", None)]
    assert listed(run_id, "a/b c/d") == [("a/b c/d/empty.bin", 0)]
    assert listed(run_id, "tree") == [
        ("tree/100% a+b&c=d;e@f~(g)'h!,$.txt", 19),
        ("tree/deep/", None),
        ("tree/empty.bin", 0),
        ("tree/five.bin", FIVE_MB),
        ("tree/with space/", None),
    ]
    assert listed(run_id, "tree/deep/er") == [("tree/deep/er/still/", None)]
    assert listed(run_id, "tree/five.bin") == []
    assert listed(run_id, "nothing/here") == []

    down = pathlib.Path(CLIENT.download_artifacts(run_id, "tree", str(folder)))
    assert {
        path.relative_to(down).as_posix(): path.read_bytes() for path in down.rglob("*") if path.is_file()
    } == files
    whole = mlflow.artifacts.download_artifacts(artifact_uri=f"runs:/{run_id}/", dst_path=str(folder / "all"))
    assert digest(pathlib.Path(whole) / "five.bin") == digest(folder / "up" / "five.bin")
    one = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="a/b c/d/empty.bin")
    assert pathlib.Path(one).read_bytes() == b""
    by_uri = mlflow.artifacts.download_artifacts(artifact_uri=f"{run.info.artifact_uri}/tree/deep/second.txt")
    assert pathlib.Path(by_uri).read_bytes() == b"second"
    return run_id, folder / "up"


def check_overwrite(folder):
    path = folder / "changing.txt"
    with mlflow.start_run() as run:
        for content in ("first, and longer", "second"):
            path.write_text(content)
            mlflow.log_artifact(str(path))
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/changing.txt") == "second"
    assert listed(run.info.run_id) == [("changing.txt", 6)]


def check_kinds():
    streams = hasattr(mlflow, "log_stream")
    with mlflow.start_run() as run:
        mlflow.log_text("naïve 😀\n", "notes/text.txt")
        mlflow.log_dict({"a": [1, {"b": None}]}, "data.json")
        mlflow.log_dict({"x": 1}, "data.yml")
        if streams:
            mlflow.log_stream(io.BytesIO(b"streamed"), "notes/stream.txt")
    uri = run.info.artifact_uri
    assert mlflow.artifacts.load_text(f"{uri}/notes/text.txt") == "naïve 😀\n"
    assert mlflow.artifacts.load_dict(f"{uri}/data.json") == {"a": [1, {"b": None}]}
    assert mlflow.artifacts.load_text(f"{uri}/data.yml").strip() == "x: 1"
    if streams:
        assert mlflow.artifacts.load_text(f"{uri}/notes/stream.txt") == "streamed"


def check_pictures():
    import matplotlib as mpl
    import numpy as np

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 0])
    pixels = np.zeros((4, 6, 3), dtype=np.uint8)
    pixels[1, 2] = (255, 0, 127)
    with mlflow.start_run() as run:
        mlflow.log_figure(figure, "plots/line.png")
        mlflow.log_image(pixels, "plots/pixels.png")
        if VERSION >= (2, 12):
            for step in range(2):
                mlflow.log_image(pixels, key="seen", step=step)
            mlflow.flush_artifact_async_logging()
    assert np.array_equal(
        np.asarray(mlflow.artifacts.load_image(f"{run.info.artifact_uri}/plots/pixels.png")), pixels
    )
    assert [path for path, size in listed(run.info.run_id, "plots") if size] == [
        "plots/line.png",
        "plots/pixels.png",
    ]
    if VERSION >= (2, 12):
        names = [path for path, _ in listed(run.info.run_id, "images")]
        assert len([name for name in names if name.endswith(".png")]) == 2, names
        assert CLIENT.get_run(run.info.run_id).data.tags["mlflow.loggedImages"] == "True"


def check_tables():
    import pandas as pd

    with mlflow.start_run() as run:
        mlflow.log_table(pd.DataFrame({"question": ["a?", "b?"], "score": [0.5, 1.5]}), "table.json")
        mlflow.log_table({"question": ["c?"], "score": [2.5]}, "table.json")
    tag = json.loads(CLIENT.get_run(run.info.run_id).data.tags["mlflow.loggedArtifacts"])
    assert tag == [{"path": "table.json", "type": "table"}]
    table = mlflow.load_table("table.json", run_ids=[run.info.run_id])
    assert list(table["question"]) == ["a?", "b?", "c?"]
    assert list(table["score"]) == [0.5, 1.5, 2.5]


def check_missing(run_id):
    try:
        path = CLIENT.download_artifacts(run_id, "not/here.txt")
    except mlflow.exceptions.MlflowException:
        return
    raise AssertionError(f"a missing artifact was downloaded to {path}")


def check_deletion(run_id):
    repository = get_artifact_repository(CLIENT.get_run(run_id).info.artifact_uri)
    repository.delete_artifacts("tree/deep/er")
    assert listed(run_id, "tree/deep") == [("tree/deep/second.txt", 6)]
    repository.delete_artifacts("five.bin")
    assert listed(run_id) == [("a/", None), ("tree/", None)]
    repository.delete_artifacts()
    assert listed(run_id) == []


def main():
    new_experiment("artifacts")
    with tempfile.TemporaryDirectory() as folder:
        run_id, _ = check_files(pathlib.Path(folder))
        check_overwrite(pathlib.Path(folder))
    check_kinds()
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        pass
    else:
        check_pictures()
    if VERSION >= (2, 0):
        check_tables()
    check_missing(run_id)
    check_deletion(run_id)
    report(bytes=FIVE_MB)


if __name__ == "__main__":
    main()
