"""`runyard metrics plot` against a running server."""

from __future__ import annotations

import sys

import pytest

from runyard.cli.metrics_plot import points_of
from runyard.client.metrics import Line
from tests.cli.conftest import Farm, Run, read_csv, read_json


@pytest.fixture(scope="module")
def plotted(farm: Farm) -> list[str]:
    """Two runs with a long metric; the second has a short one too."""
    experiment = farm.experiment("/cli/plot")
    long = [1 / (i + 1) for i in range(900)]
    odd = {"one": 0.5, "nothing": float("nan"), "inf": [1.0, float("inf"), 2.0]}
    return [
        farm.run(experiment, "first", metrics={"loss": long}),
        farm.run(experiment, "second", metrics={"loss": [100.0], **odd}),
    ]


@pytest.mark.parametrize("axis", ["step", "time", "relative"])
def test_a_plot_names_its_lines(run: Run, plotted: list[str], axis: str) -> None:
    pytest.importorskip("plotille")
    result = run("metrics", "plot", *plotted, "--key", "loss", "--x", axis)
    assert result.exit_code == 0
    assert f"loss  first {plotted[0][:8]}" in result.stdout
    assert f"loss  second {plotted[1][:8]}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert len(result.stdout.splitlines()) <= 24


@pytest.mark.parametrize("key", ["one", "nothing", "inf"])
def test_odd_metrics_are_drawn_as_far_as_they_can_be(run: Run, plotted: list[str], key: str) -> None:
    pytest.importorskip("plotille")
    result = run("metrics", "plot", plotted[1], "--key", key, "--key", "loss")
    assert result.exit_code == 0
    assert "loss" in result.stdout


def test_the_numbers_behind_a_plot(run: Run, plotted: list[str]) -> None:
    words = ("metrics", "plot", *plotted, "--key", "loss")
    rows = read_json(run(*words, "-o", "json"))
    first = [row for row in rows if row["run_id"] == plotted[0]]
    assert 80 < len(first) <= 160
    assert (max(row["max"] for row in first), min(row["min"] for row in first)) == (1.0, 1 / 900)
    assert [row["last"] for row in rows if row["run_id"] == plotted[1]] == [100.0]
    assert len(read_csv(run(*words, "-o", "csv").stdout)) == len(rows)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("RUN",), 2, "--key"),
        (("RUN", "--key", "none of it"), 4, "none of it"),
        (("0" * 32, "--key", "loss"), 4, "0000"),
    ],
)
def test_what_goes_wrong_is_told_in_a_line(
    run: Run, plotted: list[str], words: tuple[str, ...], code: int, told: str
) -> None:
    result = run("metrics", "plot", *(word.replace("RUN", plotted[0]) for word in words))
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr


def test_without_its_package_the_extra_is_named(
    run: Run, plotted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotille", None)
    result = run("metrics", "plot", plotted[0], "--key", "loss")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "runyard[plot]" in result.stderr


def test_a_spike_between_two_columns_is_drawn() -> None:
    line = Line("r", "k", False, [0, 10], None, [1.0, 0.0], [9.0, None], [2.0, float("inf")], [3.0, 4.0])
    assert points_of(line) == [(0, 2.0), (0, 1.0), (0, 9.0), (0, 3.0), (10, 0.0), (10, 4.0)]
