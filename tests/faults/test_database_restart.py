"""PostgreSQL ends and comes back under load: meanwhile 503 at once, and nothing acknowledged is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.ledger import PATIENCE_SECONDS, Patient, Writer, check
from tests.faults.server import Answer, Client, Server
from tests.postgresql import Mode, PostgreSQL

pytestmark = pytest.mark.xdist_group("processes")

WRITERS = 4
READERS = 2
# Requests of each writer before, and after.
SOME = 30
# How long a refusal may take.
PROMPT_SECONDS = 5.0


class Reader(threading.Thread):
    """Reads one run again and again until it is told to finish."""

    def __init__(self, patient: Patient, run: str) -> None:
        super().__init__(daemon=True)
        self.failure: Exception | None = None
        self._patient = patient
        self._run_id = run
        self._finish = threading.Event()

    def finish(self) -> None:
        self._finish.set()

    def run(self) -> None:
        try:
            while not self._finish.is_set():
                self._patient.get("runs/get", run_id=self._run_id)
        except (Answer, AssertionError, ValueError) as error:
            self.failure = error
        finally:
            self._patient.close()


@pytest.fixture
def server(tmp_path: Path, own_postgresql: PostgreSQL) -> Iterator[Server]:
    started = Server(tmp_path / "data", "--database", own_postgresql.create_database())
    started.start()
    yield started
    started.stop()


@pytest.mark.parametrize("mode", ["immediate", "fast"])
def test_a_restart_of_the_database_loses_nothing_acknowledged(
    server: Server, own_postgresql: PostgreSQL, mode: Mode
) -> None:
    client = server.client()
    run = client.post("runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
    # Given writers and readers at work
    patients = [Patient(server.client()) for _ in range(WRITERS + READERS)]
    writers = [Writer(patient, seed) for seed, patient in enumerate(patients[:WRITERS])]
    readers = [Reader(patient, run) for patient in patients[WRITERS:]]
    threads: list[Writer | Reader] = [*writers, *readers]
    for thread in threads:
        thread.start()
    for writer in writers:
        writer.wait_for(SOME)
    # When the database ends
    with own_postgresql.stopped(mode):
        # Then whoever asks is told so, at once
        for patient in patients:
            patient.wait_until_refused(3)
        _check_refusals(client, run)
    # And when it is back, so are writes and reads, in the same server
    for writer in writers:
        writer.wait_for(SOME)
    assert client.get("runs/get", run_id=run)["run"]["info"]["run_id"] == run
    assert client.raw("/health") == b"OK"
    for thread in threads:
        thread.finish()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    # And nobody was told anything else, or waited for it
    assert [reader.failure for reader in readers] == [None] * READERS
    assert [patient.cut for patient in patients] == [0] * len(patients)
    assert max(patient.slowest for patient in patients) < PROMPT_SECONDS
    # And everything acknowledged is there, once
    for writer in writers:
        check(client, writer.ledger)
    client.close()
    assert server.stop() == 0


def _check_refusals(client: Client, run: str) -> None:
    """Each of these is answered 503, promptly."""
    requests: list[Callable[[], Any]] = [
        lambda: client.get("runs/get", run_id=run),
        lambda: client.get("experiments/get", experiment_id="0"),
        lambda: client.get("metrics/get-history", run_id=run, metric_key="loss"),
        lambda: client.post("runs/search", {"experiment_ids": ["0"], "filter": "metrics.loss > 1"}),
        lambda: client.post("runs/set-tag", {"run_id": run, "key": "k", "value": "v"}),
        lambda: client.raw("/health"),
    ]
    for request in requests:
        started = time.monotonic()
        with pytest.raises(Answer) as refused:
            request()
        assert refused.value.status == 503
        assert time.monotonic() - started < PROMPT_SECONDS
