"""`runyard run watch` while something happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Farm
from tests.cli.process import Called
from tests.server.process import Process

Environment = dict[str, str | None]


@pytest.fixture(scope="module")
def experiment(farm: Farm) -> str:
    return farm.experiment("/cli/watch")


def _watch(run_id: str, environment: Environment, *more: str, terminal: bool = False) -> Called:
    words = ("run", "watch", run_id, "--interval", "0.2", *more)
    return Called(*words, environment=environment, terminal=terminal)


def test_changes_are_shown_until_the_end(farm: Farm, experiment: str, environment: Environment) -> None:
    run_id = farm.run(experiment, ended=None)
    with _watch(run_id, environment) as called:
        called.wait_for("status  RUNNING")
        farm.log(run_id, "loss", 0.5, 7)
        called.wait_for("loss  0.5  step 7")
        farm.log(run_id, "loss", 0.25, 8)
        called.wait_for("loss  0.25  step 8")
        farm.end(run_id, "FINISHED")
        assert called.end() == 0
    assert called.shown.count("step 7") == 1
    assert called.shown.splitlines()[-1].endswith("status  FINISHED")


def test_on_a_terminal_the_view_stays_in_place(farm: Farm, experiment: str, environment: Environment) -> None:
    run_id = farm.run(experiment, "live", ended=None)
    with _watch(run_id, environment, terminal=True) as called:
        called.wait_for("RUNNING")
        farm.log(run_id, "loss", 0.125, 3)
        called.wait_for("0.125")
        farm.end(run_id, "KILLED")
        called.wait_for("KILLED")
        assert called.end() == 0
    assert run_id in called.shown


@pytest.mark.parametrize("terminal", [False, True])
def test_ctrl_c_ends_the_watching_and_not_the_run(
    farm: Farm, experiment: str, environment: Environment, terminal: bool
) -> None:
    run_id = farm.run(experiment, ended=None)
    with _watch(run_id, environment, terminal=terminal) as called:
        called.wait_for("RUNNING")
        called.interrupt()
        assert called.end() == 130
    assert "the run goes on" in called.shown
    assert "Traceback" not in called.shown
    assert farm.status(run_id) == "RUNNING"


def test_a_server_that_is_away_for_a_while_is_waited_for(tmp_path: Path, environment: Environment) -> None:
    # Given a server of our own, so that it can be stopped
    options = ("--data", str(tmp_path / "data"))
    first = Process(tmp_path / "server.log", *options)
    second = None
    try:
        first.wait_until_it_answers()
        own = Farm(first)
        run_id = own.run(own.experiment("/x"), ended=None)
        with _watch(run_id, {**environment, "RUNYARD_URL": first.url}) as called:
            called.wait_for("RUNNING")
            # When
            first.end()
            called.wait_for("Trying again")
            second = Process(tmp_path / "server.log", *options, "--port", first.url.rpartition(":")[2])
            second.wait_until_it_answers()
            Farm(second).end(run_id, "FINISHED")
            # Then
            assert called.end() == 0
        assert called.shown.count("Trying again") == 1
        assert "FINISHED" in called.shown
    finally:
        first.end()
        if second is not None:
            second.end()
