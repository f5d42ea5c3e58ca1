"""A real server process that tests may kill."""

from __future__ import annotations

import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

API = "/api/2.0/mlflow/"
NATIVE = "/api/runyard/1/"
START_SECONDS = 30.0


class Answer(Exception):
    """An answer that isn't 200."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body[:500]!r}")
        self.status = status
        self.body = body


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("POST", API + path, json.dumps(body), {"Content-Type": "application/json"})

    def get(self, path: str, **query: Any) -> Any:
        return self._send("GET", f"{API}{path}?{urlencode(query)}", None, {})

    def native(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("POST", NATIVE + path, json.dumps(body), {"Content-Type": "application/json"})

    def get_native(self, path: str) -> Any:
        return self._send("GET", NATIVE + path, None, {})

    def put(self, path: str, content: bytes) -> Any:
        return self._send("PUT", path, content, {"Content-Type": "application/octet-stream"})

    def raw(self, path: str) -> bytes:
        self._connection.request("GET", path)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Answer(answer.status, content)
        return content

    def close(self) -> None:
        self._connection.close()

    def _send(self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]) -> Any:
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise Answer(answer.status, content)
        return json.loads(content) if content else None


class Server:
    """`runyard server` on a free port; `start` after `kill` is a restart on the same data."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.port = _free_port()
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(Path(sys.executable).parent / "runyard"), "server", "--port", str(self.port)]
        self._process = subprocess.Popen(
            [*command, "--data", str(self.data), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=(self.data.parent / "server.log").open("ab"),
            start_new_session=True,
        )
        self._wait()

    def kill(self) -> None:
        """As a power cut would: no handler runs."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        """Ask it to end; returns its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(60)

    def client(self) -> Client:
        return Client(self.port)

    @property
    def log(self) -> str:
        """What it has written to its log since its first start."""
        return (self.data.parent / "server.log").read_text()

    def _wait(self) -> None:
        assert self._process is not None
        for _ in range(int(START_SECONDS / 0.02)):
            try:
                client = self.client()
                client.raw("/health")
                client.close()
            except (OSError, http.client.HTTPException):
                if self._process.poll() is not None:
                    raise AssertionError(self.log[-3000:]) from None
                # Nothing listens yet, and nothing tells when it will: poll.
                select.select([], [], [], 0.02)
            else:
                return
        raise AssertionError(f"no answer within {START_SECONDS} s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
