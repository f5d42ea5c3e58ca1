"""The servers that are compared: how each is started, found ready, paused, weighed and stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import psutil

from benchmarks.environments import Environment
from benchmarks.wire import Address, Client, ProtocolError, post

_POLL = 0.005
_START_LIMIT = 120.0
_STOP_LIMIT = 15.0


@dataclass(frozen=True)
class Place:
    """What a server is told at its start. `database` is empty for SQLite in `folder`."""

    address: Address
    folder: Path
    database: str


@dataclass(frozen=True)
class Peer:
    """A kind of server: `command` gives its arguments for a place; its defaults otherwise."""

    name: str
    title: str
    environment: Environment | None
    command: Callable[[Place], list[str]]


@dataclass(frozen=True)
class Memory:
    """Of all processes of a server: proportional set size (or resident, where there is none), in MB."""

    megabytes: float
    resident: float
    processes: int


def _runyard(place: Place) -> list[str]:
    program = str(Path(sys.executable).with_name("runyard"))
    command = [program, "server", "--host", place.address.host, "--port", str(place.address.port)]
    command += ["--data", str(place.folder)]
    return [*command, "--database", place.database] if place.database else command


_MLFLOW = Environment("bench-mlflow", ("mlflow==3.17.2", "psycopg[binary]"))
_FASTTRACKML = Environment("bench-fasttrackml", ("fasttrackml==0.6.0", "setuptools<80"))


def _mlflow(place: Place) -> list[str]:
    database = place.database.replace("postgresql://", "postgresql+psycopg://")
    store = database or f"sqlite:///{place.folder / 'mlflow.db'}"
    command = [_MLFLOW.program("mlflow"), "server", "--backend-store-uri", store]
    return [*command, "--host", place.address.host, "--port", str(place.address.port)]


def _fasttrackml(place: Place) -> list[str]:
    command = [_FASTTRACKML.program("fml"), "server", "--listen-address", str(place.address)]
    return [*command, "--database-uri", place.database] if place.database else command


PEERS = (
    Peer("runyard", f"Runyard {version('runyard')}", None, _runyard),
    Peer("mlflow", "MLflow 3.17.2", _MLFLOW, _mlflow),
    Peer("fasttrackml", "FastTrackML 0.6.0", _FASTTRACKML, _fasttrackml),
)


class StartError(Exception):
    """A server ended or stayed silent at its start; the message has the end of its log."""


class Server:
    """A running server with a fresh data folder. Made by `start`; `stop` ends it and removes its data.

    `headers` are lines that every request to its `address` has.
    """

    def __init__(self, peer: Peer, database: str = "", headers: tuple[str, ...] = ()) -> None:
        self.peer = peer
        self.address = Address("127.0.0.1", _free_port(), headers)
        self.start_seconds = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{peer.name}-", ignore_cleanup_errors=True)
        self._database = database
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits for its first answer to `experiments/search`, which `start_seconds` times.

        Raises `StartError`.
        """
        folder = Path(self._folder.name)
        command = self.peer.command(Place(self.address, folder, self._database))
        self._log = (folder / "server.log").open("wb")
        begin = time.perf_counter()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        while not self._answers():
            if self._process.poll() is not None:
                raise StartError(f"{self.peer.title} ended with {self._process.returncode}:\n{self.log()}")
            if time.perf_counter() - begin > _START_LIMIT:
                raise StartError(f"{self.peer.title} did not answer in {_START_LIMIT:.0f} s:\n{self.log()}")
            time.sleep(_POLL)
        self.start_seconds = time.perf_counter() - begin

    def memory(self) -> Memory:
        """What its processes use at this moment."""
        proportional = resident = 0
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = process.memory_full_info()
                resident += used.rss
                proportional += getattr(used, "pss", used.rss)
        return Memory(proportional / 1e6, resident / 1e6, len(processes))

    def processor_seconds(self) -> float:
        """The processor time that its living processes have used so far."""
        used = 0.0
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                used += times.user + times.system
        return used

    def pause(self) -> None:
        """Stops all its processes where they are, so that it uses nothing while another is measured.

        The parent stops first and continues last: it may be waiting for a child's sign of life.
        """
        processes = self._processes()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()
            if process is processes[0]:
                time.sleep(0.05)

    def resume(self) -> None:
        """Lets it run on."""
        for process in reversed(self._processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def stop(self) -> None:
        """Ends its process group, politely at first, and removes its data folder."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_LIMIT)
        if self._process is not None:
            self._signal(signal.SIGKILL)  # what is left of the group
            self._process.wait()
        if self._log is not None:
            self._log.close()
        self._folder.cleanup()

    def log(self) -> str:
        """The end of what it wrote to its log."""
        return (Path(self._folder.name) / "server.log").read_text(errors="replace")[-4000:]

    def _answers(self) -> bool:
        with Client(self.address, timeout=_START_LIMIT) as client:
            try:
                status, _ = client.exchange(post(self.address, "experiments/search", {"max_results": 1}))
            except (OSError, ProtocolError):
                return False
        return status == 200

    def _processes(self) -> list[Any]:
        assert self._process is not None
        try:
            root = psutil.Process(self._process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    """This process's environment without what would change a server's defaults."""
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "RUNYARD_", "FML_"))
    }
    return kept | {"DO_NOT_TRACK": "true"}
