"""`runyard server` as a process of its own."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

RUNYARD = str(Path(sys.executable).parent / "runyard")
START_SECONDS = 60.0
END_SECONDS = 60.0


class Process:
    """A server on a free port; the port is known once it answers.

    Args:
        log: the file that its log lines go to.
        options: of the command line.
    """

    def __init__(self, log: Path, *options: str) -> None:
        self.log = log
        self.banner = ""
        self.url = ""
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [RUNYARD, "server", "--port", "0", *options],
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(),
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_it_answers(self) -> None:
        assert self._process.stdout is not None
        for line in _lines(self._process.stdout, START_SECONDS):
            self.banner += line
            found = re.search(r"running at (\S+)", line)
            if found:
                self.url = found[1]
            if "Ctrl+C" in line:
                return
        raise AssertionError(f"it didn't start: {self.log.read_text()}")

    def get(self, path: str) -> Any:
        return self._send(urllib.request.Request(self.url + path))

    def put(self, path: str, content: bytes) -> Any:
        return self._send(urllib.request.Request(self.url + path, content, method="PUT"))

    def post(self, path: str, body: Any) -> Any:
        headers = {"Content-Type": "application/json"}
        return self._send(
            urllib.request.Request(
                f"{self.url}/api/2.0/mlflow/{path}", json.dumps(body).encode(), headers, method="POST"
            )
        )

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; returns the exit code."""
        if self._process.poll() is None:
            self.send(number)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for the end."""
        code = self._process.wait(END_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _send(self, request: urllib.request.Request) -> Any:
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        return json.loads(content) if is_json else content.decode()


def refused(*options: str, **environment: str) -> tuple[int, str]:
    """The exit code and standard error of a server that doesn't start."""
    done = subprocess.run(
        [RUNYARD, "server", *options],
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        env=_environment() | environment,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("RUNYARD_")}


def _lines(stream: IO[bytes], seconds: float) -> Iterator[str]:
    """Lines as they come; ends with the stream."""
    end = time.monotonic() + seconds
    text = b""
    with selectors.DefaultSelector() as ready:
        ready.register(stream, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            if not ready.select(left):
                break
            new = os.read(stream.fileno(), 65536)
            if not new:
                return
            text += new
            *whole, text = text.split(b"\n")
            yield from (line.decode() + "\n" for line in whole)
    raise AssertionError(f"nothing within {seconds} s")
