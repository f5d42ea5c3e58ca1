"""`runyard metrics` against a running server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Farm, Run, read_csv, read_json

NAN = float("nan")


@pytest.fixture(scope="module")
def experiment(farm: Farm) -> str:
    return farm.experiment("/cli/metrics")


@pytest.fixture(scope="module")
def measured(farm: Farm, experiment: str) -> str:
    """A run with two metrics, one of them NaN at the end."""
    return farm.run(experiment, metrics={"loss": [3.0, 1.0, 2.0], "val/acc": [0.5, NAN], "inf": float("inf")})


def _json(run: Run, *words: str) -> Any:
    return read_json(run("metrics", *words, "-o", "json"))


def test_what_metrics_come_to(run: Run, measured: str) -> None:
    found = {one["key"]: one for one in _json(run, "show", measured)}
    assert list(found) == ["inf", "loss", "val/acc"]
    assert found["loss"] == {
        "key": "loss", "last": 2.0, "last_step": 2, "min": 1.0, "argmin": 1, "max": 3.0, "argmax": 0,
        "mean": 2.0, "count": 3,
    }  # fmt: skip
    assert (found["val/acc"]["last"], found["val/acc"]["max"]) == ("NaN", 0.5)
    assert found["inf"]["last"] == "Infinity"


def test_some_metrics(run: Run, measured: str) -> None:
    assert [one["key"] for one in _json(run, "show", measured[:8], "loss")] == ["loss"]
    lines = run("metrics", "show", measured, "loss").stdout.splitlines()
    assert lines[1].split() == ["loss", "2", "2", "1", "1", "3", "0", "2", "3"]


def test_more_metrics_than_a_table_of_the_server_has_columns(run: Run, farm: Farm, experiment: str) -> None:
    many = farm.run(experiment, metrics={f"m{i:03}": float(i) for i in range(130)})
    found = _json(run, "show", many)
    assert [one["key"] for one in found] == [f"m{i:03}" for i in range(130)]
    assert all(one["last"] == one["min"] == one["max"] == float(i) for i, one in enumerate(found))


def test_a_run_without_metrics(run: Run, farm: Farm, experiment: str) -> None:
    empty = farm.run(experiment)
    assert _json(run, "show", empty) == []
    assert "no metrics" in run("metrics", "show", empty).stderr


def test_the_latest_points(run: Run, measured: str) -> None:
    found = _json(run, "history", measured, "loss", "--limit", "2")
    assert [(one["step"], one["value"]) for one in found] == [(1, 1.0), (2, 2.0)]
    result = run("metrics", "history", measured, "val/acc", "-n", "0", "-o", "csv")
    assert [row["value"] for row in read_csv(result.stdout)] == ["0.5", "NaN"]
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("show", "RUN", "nothing"), 4, "'nothing'"),
        (("history", "RUN", "nothing"), 4, "'nothing'"),
        (("export", "RUN", "--key", "nothing", "--to", "FOLDER/x.csv"), 4, "'nothing'"),
        (("export", "RUN", "--to", "FOLDER/x.xlsx"), 2, "FILE.parquet"),
        (("export", "RUN", "--to", "FOLDER/there.csv"), 2, "--force"),
        (("export", "RUN", "--to", "FOLDER/no/x.csv"), 1, "can't be written"),
        (("show", "0" * 32), 4, "0000"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line(
    run: Run, measured: str, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    given = [word.replace("RUN", measured).replace("FOLDER", str(tmp_path)) for word in words]
    result = run("metrics", *given)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert [path.name for path in tmp_path.glob("*") if path.is_file()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_every_point_is_exported(
    run: Run, measured: str, farm: Farm, experiment: str, tmp_path: Path
) -> None:
    other = farm.run(experiment, metrics={"loss": [0.1 + 0.2]})
    file = tmp_path / "points.csv"
    told = _json(run, "export", measured, other[:9], other, "--to", str(file))
    assert told == {"file": str(file), "runs": 2, "points": 7}
    rows = read_csv(file.read_text())
    assert [(row["key"], row["step"], row["value"]) for row in rows if row["run_id"] == measured] == [
        ("inf", "0", "Infinity"),
        ("loss", "0", "3.0"),
        ("loss", "1", "1.0"),
        ("loss", "2", "2.0"),
        ("val/acc", "0", "0.5"),
        ("val/acc", "1", "NaN"),
    ]
    assert [float(row["value"]) for row in rows if row["run_id"] == other] == [0.1 + 0.2]


def test_an_export_to_standard_output_is_nothing_else(run: Run, measured: str) -> None:
    result = run("metrics", "export", measured, "--key", "loss", "--to", "-")
    assert result.stdout.splitlines()[0] == "run_id,key,step,timestamp,value"
    assert (len(result.stdout.splitlines()), result.stderr) == (4, "")


def test_an_export_to_parquet(
    run: Run, measured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from runyard.cli import metrics_export

    # Given row groups of a few points
    monkeypatch.setattr(metrics_export, "GROUP", 2)
    file = tmp_path / "points.parquet"
    file.write_text("old")
    # When
    result = run("metrics", "export", measured, "--to", str(file), "--force")
    # Then
    assert result.stdout == f"Wrote 6 points of 1 run to {file}.\n"
    table = parquet.read_table(file)
    assert [str(field.type) for field in table.schema][2:] == ["int64", "timestamp[ms, tz=UTC]", "double"]
    assert table.column("step").to_pylist() == [0, 0, 1, 2, 0, 1]
    assert table.column("value").to_pylist()[:4] == [float("inf"), 3.0, 1.0, 2.0]
    assert set(table.column("run_id").to_pylist()) == {measured}


def test_parquet_without_its_package_names_the_extra(
    run: Run, measured: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("metrics", "export", measured, "--to", str(tmp_path / "x.parquet"))
    assert result.exit_code == 2
    assert "runyard[parquet]" in result.stderr
