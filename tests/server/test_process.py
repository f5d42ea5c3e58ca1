"""A running server: its start, its end under load, its neighbours, its workers."""

from __future__ import annotations

import ast
import http.client
import json
import os
import signal
import sqlite3
import threading
import urllib.error
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.server.conftest import Start
from tests.server.process import Process, refused

WRITERS = 8
ACKNOWLEDGED = 400


def test_the_banner_tells_what_to_do_next(start: Start, tmp_path: Path) -> None:
    # When
    server = start()
    # Then
    assert server.get("/health") == "OK"
    assert str(tmp_path / "data") in server.banner
    code = [line.strip() for line in server.banner.splitlines() if "mlflow" in line]
    assert len(code) == 3
    ast.parse("\n".join(code))
    assert server.url in code[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(start: Start, number: signal.Signals) -> None:
    server = start()
    assert server.end(number) == 0
    lines = server.log.read_text()
    assert lines.endswith("INFO server: stopped\n")
    assert "Traceback" not in lines


class Writer(threading.Thread):
    """Logs points to its own run until the server is gone; `acknowledged` counts its answers."""

    def __init__(self, server: Process, run: str, progress: threading.Semaphore) -> None:
        super().__init__(daemon=True)
        self.run_id = run
        self.acknowledged = 0
        self.wrong: list[tuple[int, bytes]] = []
        self._at = urlsplit(server.url)
        self._progress = progress

    def run(self) -> None:
        connection = http.client.HTTPConnection(str(self._at.hostname), self._at.port, timeout=30)
        while not self.wrong:
            point = {
                "run_id": self.run_id,
                "key": "x",
                "value": 1.5,
                "timestamp": 1,
                "step": self.acknowledged,
            }
            try:
                connection.request(
                    "POST",
                    "/api/2.0/mlflow/runs/log-metric",
                    json.dumps(point),
                    {"Content-Type": "application/json"},
                )
                answer = connection.getresponse()
                content = answer.read()
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 200:
                self.acknowledged += 1
                self._progress.release()
            else:
                self.wrong.append((answer.status, content))


def _steps(server: Process, run: str) -> list[int]:
    found = server.get(f"/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=x&max_results=25000")
    return [point["step"] for point in found.get("metrics", [])]


def test_an_end_under_load_loses_nothing(start: Start, database_url: str) -> None:
    # Given writers at work
    server = start(database=database_url)
    runs = [
        server.post("runs/create", {"experiment_id": "0", "start_time": 1})["run"]["info"]["run_id"]
        for _ in range(WRITERS)
    ]
    progress = threading.Semaphore(0)
    writers = [Writer(server, run, progress) for run in runs]
    for writer in writers:
        writer.start()
    for _ in range(ACKNOWLEDGED):
        assert progress.acquire(timeout=60)
    # When
    code = server.end()
    for writer in writers:
        writer.join(60)
    # Then
    assert code == 0
    assert [writer.wrong for writer in writers if writer.wrong] == []
    # And after a restart every acknowledged point is there, once
    again = start(database=database_url)
    for writer in writers:
        steps = _steps(again, writer.run_id)
        assert steps[: writer.acknowledged] == list(range(writer.acknowledged))
        # At most the request whose answer the end cut off.
        assert len(steps) - writer.acknowledged in (0, 1)


def test_a_request_in_flight_is_finished(start: Start) -> None:
    # Given a request of which one half has arrived
    server = start()
    body = json.dumps({"name": "late"}).encode()
    at = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=30)
    connection.putrequest("POST", "/api/2.0/mlflow/experiments/create")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:4])
    # The server has begun with it when it answers another one that came later.
    server.get("/health")
    # When
    server.send(signal.SIGTERM)
    connection.send(body[4:])
    # Then
    answer = connection.getresponse()
    assert answer.status == 200
    created = json.loads(answer.read())["experiment_id"]
    assert server.exit_code() == 0
    found = start().get(f"/api/2.0/mlflow/experiments/get?experiment_id={created}")
    assert found["experiment"]["name"] == "late"


def test_a_shutdown_waits_only_so_long(start: Start) -> None:
    # Given a request that never comes to its end
    server = start("--shutdown-seconds", "1")
    at = urlsplit(server.url)
    connection = http.client.HTTPConnection(str(at.hostname), at.port, timeout=30)
    connection.putrequest("POST", "/api/2.0/mlflow/experiments/create")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    server.get("/health")
    # When, Then
    assert server.end() == 0
    assert "Traceback" not in server.log.read_text()


def test_a_second_server_on_the_folder_is_refused(start: Start, tmp_path: Path) -> None:
    server = start()
    code, told = refused("--port", "0", "--data", str(tmp_path / "data"))
    assert code == 1
    assert f"process {server.pid}" in told
    assert server.get("/health") == "OK"


def test_a_second_server_on_the_database_file_is_refused(start: Start, tmp_path: Path) -> None:
    file = f"sqlite:///{tmp_path}/shared.db"
    server = start(database=file)
    code, told = refused("--port", "0", "--data", str(tmp_path / "other"), "--database", file)
    assert code == 1
    assert f"process {server.pid}" in told
    assert "shared.db" in told


def test_the_folder_is_free_after_a_kill(start: Start) -> None:
    server = start()
    name = server.post("experiments/create", {"name": "kept"})["experiment_id"]
    server.end(signal.SIGKILL)
    again = start()
    assert again.get(f"/api/2.0/mlflow/experiments/get?experiment_id={name}")["experiment"]["name"] == "kept"


def test_only_its_owner_may_look_into_the_folder(start: Start, tmp_path: Path) -> None:
    start()
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0


def test_all_that_is_made_is_its_owners_whoever_may_look_into_the_folder(
    start: Start, tmp_path: Path
) -> None:
    # Given a folder that was there before, and a process that keeps nothing from others
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    before = os.umask(0)
    try:
        server = start()
    finally:
        os.umask(before)
    # When
    run = server.post("runs/create", {"experiment_id": "0"})["run"]["info"]
    root = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    server.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/a/b.txt", b"secret")
    # Then
    made = {str(path.relative_to(data)): path for path in data.rglob("*")}
    assert {"runyard.db", "runyard.db-wal", "runyard.db-shm", "runyard.lock", "artifacts"} <= set(made)
    assert [name for name in made if name.endswith("a/b.txt")]
    assert {
        name: oct(path.stat().st_mode) for name, path in made.items() if path.stat().st_mode & 0o077
    } == {}
    assert "can be read by other users" not in server.log.read_text()


def test_a_file_that_others_may_read_is_told(start: Start, tmp_path: Path) -> None:
    # Given what a backup without modes left
    server = start()
    server.end()
    data = tmp_path / "data"
    (data / "runyard.db").chmod(0o644)
    # Then: nobody gets so far
    start().end()
    assert "can be read by other users" not in server.log.read_text()
    # When
    data.chmod(0o755)
    start()
    # Then it is told, and left as it is
    told = [line for line in server.log.read_text().splitlines() if "can be read by other users" in line]
    assert [line.partition("unless that is meant: ")[2] for line in told] == [f"chmod go= {data}/runyard.db*"]
    assert (data / "runyard.db").stat().st_mode & 0o777 == 0o644


def test_log_lines_may_be_json(start: Start) -> None:
    # Given
    server = start("--log-format", "json", "--log-level", "debug")
    # When
    with pytest.raises(urllib.error.HTTPError):
        server.get("/api/2.0/mlflow/experiments/get?experiment_id=99")
    server.end()
    # Then
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert [line["message"].split()[0] for line in lines if line["logger"] == "runyard.server"] == [
        "started",
        "stopped",
    ]
    (failed,) = (line for line in lines if line.get("status") == 404)
    assert (failed["method"], failed["path"]) == ("GET", "/api/2.0/mlflow/experiments/get")
    assert len(failed["request_id"]) == 16
    assert "experiment_id" not in json.dumps(lines)  # queries are not logged


def _processes(server: Process, want: int, besides: frozenset[int] = frozenset()) -> set[int]:
    """The processes that answer: asks until `want` others than those in `besides` have."""
    found: set[int] = set()
    for _ in range(10_000):
        text = server.get("/metrics")
        found.add(int(text.split('process="')[1].split('"')[0]))
        if len(found - besides) == want:
            return found - besides
    raise AssertionError(f"only {found} answered")


def test_workers_share_the_load(start: Start, postgresql_url: str) -> None:
    # Given
    server = start("--workers", "2", database=postgresql_url)
    # When each is asked, then both answer
    workers = _processes(server, 2)
    assert server.pid not in workers
    # And what one has written, all can read
    created = [server.post("experiments/create", {"name": f"e{i}"})["experiment_id"] for i in range(20)]
    for experiment in created:
        server.get(f"/api/2.0/mlflow/experiments/get?experiment_id={experiment}")
    # And a dead one is replaced
    first = min(workers)
    os.kill(first, signal.SIGKILL)
    _processes(server, 2, frozenset({first}))
    assert f"Child process [{first}] died" in server.log.read_text()
    # And the end is clean
    children = psutil.Process(server.pid).children(recursive=True)
    assert server.end() == 0
    assert psutil.wait_procs(children, timeout=30)[1] == []
    assert "Traceback" not in server.log.read_text()


def test_workers_do_not_outlive_their_supervisor(start: Start, postgresql_url: str) -> None:
    server = start("--workers", "2", database=postgresql_url)
    children = psutil.Process(server.pid).children(recursive=True)
    server.end(signal.SIGKILL)
    assert psutil.wait_procs(children, timeout=30)[1] == []


def _line(told: str) -> str:
    """The one line that a refusal writes."""
    assert told.startswith("Error: ")
    assert told.count("\n") == 1
    return told


def test_a_port_in_use_is_refused(start: Start, tmp_path: Path) -> None:
    port = str(urlsplit(start().url).port)
    code, told = refused("--port", port, "--data", str(tmp_path / "other"))
    assert code == 1
    assert f"Port {port}" in _line(told)


@pytest.mark.parametrize(
    ("options", "environment", "part"),
    [
        (["--workers", "2"], {}, "PostgreSQL"),
        ([], {"RUNYARD_SHUTDOWN_SECONDS": "soon"}, "whole number"),
        (["--database", "mysql://localhost/x"], {}, "mysql"),
        (["--database", "not an address"], {}, "URL"),
        (["--oidc-roles", "{"], {}, "--oidc-roles"),
        (["--oidc-roles", '{"a": {"workspace": "w"}}'], {}, "role"),
        (["--oidc-issuer", "https://login.example.org"], {}, "--public-url and --oidc-client-id"),
    ],
)
def test_a_wrong_setting_is_refused(
    options: list[str], environment: dict[str, str], part: str, tmp_path: Path
) -> None:
    code, told = refused("--data", str(tmp_path), "--port", "0", *options, **environment)
    assert code == 2
    assert part in _line(told)


def _newer(data: Path) -> None:
    with sqlite3.connect(data / "runyard.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")


def _damaged(data: Path) -> None:
    (data / "runyard.db").write_bytes(b"this is no database " * 1000)


def _folder(data: Path) -> None:
    (data / "runyard.db").mkdir()


@pytest.mark.parametrize(
    ("spoil", "part"), [(_newer, "newer version"), (_damaged, "damaged"), (_folder, "can't be used")]
)
def test_a_database_that_cannot_be_used_is_refused(spoil: Any, part: str, tmp_path: Path) -> None:
    spoil(tmp_path)
    code, told = refused("--data", str(tmp_path), "--port", "0")
    assert code == 1
    assert part in _line(told)


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, told = refused("--data", str(tmp_path / "file" / "data"), "--port", "0")
    assert code == 1
    assert "--data" in _line(told)


def test_a_database_out_of_reach_is_refused_without_its_password(tmp_path: Path) -> None:
    # Given an address where nothing listens
    url = "postgresql://me:s3cr3t@127.0.0.1:1/db"
    # When
    code, told = refused("--data", str(tmp_path), "--port", "0", "--database", url)
    # Then
    assert code == 1
    assert "127.0.0.1:1" in _line(told)
    assert "s3cr3t" not in told


def test_the_cause_of_a_refusal_is_shown_at_debug(tmp_path: Path) -> None:
    _damaged(tmp_path)
    _, told = refused("--data", str(tmp_path), "--port", "0", "--log-level", "debug")
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("Error: ")
