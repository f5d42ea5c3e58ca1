from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.process import Process

Start = Callable[..., Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts servers on one data folder, and ends them with the test."""
    started: list[Process] = []

    def begin(*options: str, database: str = "") -> Process:
        more = ("--database", database) if database else ()
        process = Process(tmp_path / "server.log", "--data", str(tmp_path / "data"), *more, *options)
        started.append(process)
        process.wait_until_it_answers()
        return process

    yield begin
    for process in started:
        process.end()
