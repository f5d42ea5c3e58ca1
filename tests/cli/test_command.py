"""What holds for every command: nobody there, somebody else there, an end before its time."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Farm, Run
from tests.cli.process import Called
from tests.server.process import RUNYARD


@pytest.fixture
def free_url() -> str:
    """An address at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{sock.getsockname()[1]}"


class _Other(http.server.BaseHTTPRequestHandler):
    """A server of something else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Router</html>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def other_url() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Other) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()
        thread.join()


def test_nobody_there_is_told_with_what_to_do(run: Run, free_url: str) -> None:
    result = run("experiment", "list", "--url", free_url)
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr == f"Error: No server answers at {free_url}: connection refused.\n"


def test_a_filters_error_points_at_its_place(run: Run) -> None:
    result = run("run", "list", "-e", "0", "--filter", "metrics.auc >")
    assert result.exit_code == 1
    _, line, caret = result.stderr.splitlines()
    assert (line.strip(), caret.strip()) == ("metrics.auc >", "^")
    assert caret.index("^") == line.index(">") + 1


def test_somebody_else_there_is_told(run: Run, other_url: str) -> None:
    result = run("experiment", "list", "--url", other_url)
    assert (result.exit_code, result.stdout) == (5, "")
    assert "no Runyard server" in result.stderr


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"RUNYARD_URL": "127.0.0.1:5000"}, "RUNYARD_URL must be like"),
        ({"RUNYARD_URL": "http://a:secret@127.0.0.1"}, "RUNYARD_TOKEN"),
        ({"RUNYARD_TOKEN": "two secret words"}, "RUNYARD_TOKEN holds no token"),
    ],
)
def test_a_wrong_variable_is_told_and_not_shown(run: Run, variables: dict[str, str], told: str) -> None:
    result = run("experiment", "list", **variables)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr
    assert "secret" not in result.stderr


def test_the_server_of_mlflow_is_used_when_nothing_else_is_named(
    run: Run, environment: dict[str, str | None]
) -> None:
    url = str(environment.pop("RUNYARD_URL"))
    environment["RUNYARD_URL"] = None
    assert run("experiment", "list", MLFLOW_TRACKING_URI=url).exit_code == 0
    assert run("experiment", "list", MLFLOW_TRACKING_URI=f"{url}/w/default").exit_code == 0


def test_a_reader_that_goes_away_ends_it_quietly(
    farm: Farm, environment: dict[str, str | None], tmp_path: Path
) -> None:
    run_id = farm.run(farm.experiment("/cli/pipe"), metrics={"x": [float(i) for i in range(900)]})
    merged = {**os.environ, **environment}
    variables = {name: value for name, value in merged.items() if value is not None}
    line = f"'{RUNYARD}' metrics export {run_id} --to - 2>'{tmp_path}/errors' | head -1"
    done = subprocess.run(["bash", "-c", line], env=variables, check=True, capture_output=True, text=True)
    assert done.stdout == "run_id,key,step,timestamp,value\n"
    assert (tmp_path / "errors").read_text() == ""


def test_a_question_is_asked_on_a_terminal(farm: Farm, environment: dict[str, str | None]) -> None:
    run_id = farm.run(farm.experiment("/cli/ask"))
    for answer, code, left in (("n\n", 1, "Nothing was changed"), ("y\n", 0, "In the trash")):
        with Called("run", "delete", run_id, environment=environment, terminal=True) as called:
            called.wait_for("[y/N]")
            called.type(answer)
            assert called.end() == code
        assert left in called.shown


def test_ctrl_c_at_a_question_changes_nothing(farm: Farm, environment: dict[str, str | None]) -> None:
    run_id = farm.run(farm.experiment("/cli/interrupt"), "hostile \x1b[31m")
    with Called("run", "delete", run_id, environment=environment, terminal=True) as called:
        called.wait_for("[y/N]")
        called.interrupt()
        assert called.end() == 130
    assert "hostile \\x1b[31m" in called.shown
    assert "Traceback" not in called.shown
    assert farm.status(run_id) == "FINISHED"


@pytest.mark.parametrize("terminal", [True, False])
def test_lines_are_styled_on_a_terminal_only(
    farm: Farm, environment: dict[str, str | None], terminal: bool
) -> None:
    with Called("experiment", "list", environment=environment, terminal=terminal) as called:
        assert called.end() == 0
    assert ("\x1b[" in called.shown) is terminal
