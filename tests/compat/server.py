"""The server that the clients talk to: Runyard, or the command in RUNYARD_COMPAT_SERVER.

`{port}` and `{data}` in that command stand for a free port and an empty folder. Another server than
Runyard is called a peer: the suite then says how that one behaves.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import psutil

from .login import make_administrator, make_scientist

START_SECONDS = 60.0
STOP_SECONDS = 30.0

_RUNYARD = [
    str(Path(sys.executable).with_name("runyard")),
    *("server", "--host", "127.0.0.1", "--port", "{port}", "--data", "{data}"),
]


def command() -> list[str]:
    """The words of the command that starts the server, with `{port}` and `{data}` in them."""
    given = os.environ.get("RUNYARD_COMPAT_SERVER")
    return shlex.split(given) if given else _RUNYARD


def is_peer() -> bool:
    """Whether the server is another than Runyard."""
    return Path(command()[0]).name != "runyard"


class Server:
    """A server process with its data in `folder`; `options` are added to its command.

    With `login` everybody has to sign in, and `token` is that of a Data Scientist.
    """

    def __init__(self, folder: Path, *options: str, login: bool = False) -> None:
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        data = folder / "data"
        data.mkdir(parents=True)
        self._login, self.token = login, ""
        if login:
            make_administrator(data)
        words = [word.format(port=self.port, data=data) for word in command()]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*words, *options], stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait(self) -> None:
        """Return once the server answers."""
        for _ in range(int(START_SECONDS / 0.05)):
            self.check()
            try:
                with urllib.request.urlopen(f"{self.url}/health", timeout=5):
                    break
            except (OSError, urllib.error.URLError):
                # Nothing listens yet, and nothing tells when it will: poll.
                select.select([], [], [], 0.05)
        else:
            raise AssertionError(f"no answer within {START_SECONDS:.0f} s:\n{self._end_of_log()}")
        if self._login:
            self.token = make_scientist(self.url)

    def check(self) -> None:
        """Fail with the end of its log if the server has ended by itself."""
        if (status := self._process.poll()) is not None:
            raise AssertionError(f"the server ended with status {status}:\n{self._end_of_log()}")

    def stop(self) -> int:
        """Ask the server to end, and make it end; returns its exit status."""
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()

    def resident_bytes(self) -> int:
        """The memory of the server and all its children."""
        root = psutil.Process(self._process.pid)
        total = 0
        for process in [root, *root.children(recursive=True)]:
            try:
                total += int(process.memory_info().rss)
            except psutil.NoSuchProcess:
                continue  # a child ended meanwhile
        return total

    def _end_of_log(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
