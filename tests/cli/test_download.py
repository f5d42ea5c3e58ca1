"""`runyard run download` that is interrupted, from a server that stalls."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.process import Called

RUN = "a" * 32
ANSWERS = {
    "/api/2.0/mlflow/runs/get": {"run": {"info": {"run_id": RUN, "experiment_id": "1"}, "data": {}}},
    "/api/2.0/mlflow/artifacts/list": {"files": [{"path": "big.bin", "is_dir": False, "file_size": 1000}]},
}


class Stalling(http.server.ThreadingHTTPServer):
    """Sends the first bytes of a file, and then nothing more."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.reached = threading.Event()
        self.over = threading.Event()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Stalling

    def do_GET(self) -> None:
        answer = ANSWERS.get(self.path.partition("?")[0])
        content = b"x" * 10 if answer is None else json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", "1000" if answer is None else str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        if answer is None:
            self.server.reached.set()
            self.server.over.wait(60)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def stalling() -> Iterator[Stalling]:
    with Stalling() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_ctrl_c_ends_a_download_that_stalls(
    stalling: Stalling, environment: dict[str, str | None], tmp_path: Path
) -> None:
    # Given
    variables = {**environment, "RUNYARD_URL": f"http://127.0.0.1:{stalling.server_port}"}
    words = ("run", "download", RUN, "--to", str(tmp_path / "files"))
    with Called(*words, environment=variables) as called:
        assert stalling.reached.wait(60)
        # When
        called.interrupt()
        # Then
        assert called.end() == 130
    assert "Traceback" not in called.shown
    assert list((tmp_path / "files").iterdir()) == []
