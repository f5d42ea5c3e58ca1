"""One of several workers dies: the others go on, and another takes its place."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runyard.server.process.run import WORKER_SILENT_SECONDS
from tests.faults.ledger import Patient, Writer, check
from tests.faults.server import START_SECONDS, Client, Server
from tests.postgresql import PostgreSQL

pytestmark = pytest.mark.xdist_group("processes")

WRITERS = 3
# Requests of each writer before the kill and after it.
SOME = 30


@pytest.fixture
def server(tmp_path: Path, own_postgresql: PostgreSQL) -> Iterator[Server]:
    started = Server(tmp_path / "data", "--workers", "2", "--database", own_postgresql.create_database())
    started.start()
    yield started
    started.stop()


def test_a_killed_worker_loses_nothing_acknowledged(server: Server) -> None:
    # Given two workers, each with writers at work
    dying, staying = _workers(server)
    its_own = [Patient(_client_of(server, dying)) for _ in range(WRITERS)]
    others = [Patient(_client_of(server, staying)) for _ in range(WRITERS)]
    writers = [Writer(patient, seed) for seed, patient in enumerate([*its_own, *others])]
    _start(writers)
    # When one is killed
    os.kill(dying, signal.SIGKILL)
    # Then its writers go on with a connection more, the others as if nothing had happened
    for writer in writers:
        writer.wait_for(SOME)
    # And another worker takes its place
    (new,) = _workers(server, without=dying) - {staying}
    late = Writer(_client_of(server, new), WRITERS * 2)
    _start([late])
    writers.append(late)
    for writer in writers:
        writer.finish()
    for writer in writers:
        writer.join(30)
    assert [(patient.cut, patient.refused) for patient in its_own] == [(1, 0)] * WRITERS
    assert [(patient.cut, patient.refused) for patient in others] == [(0, 0)] * WRITERS
    # And everything acknowledged is there once, whichever worker is asked
    for worker in (staying, new):
        client = _client_of(server, worker)
        for writer in writers:
            check(client, writer.ledger)
        client.close()
    # And the end is clean
    assert server.stop() == 0


def test_a_worker_that_stalls_and_dies_is_replaced_at_once(server: Server) -> None:
    # Given a worker that hangs, and a supervisor that waits for its word
    dying, staying = _workers(server)
    client = _client_of(server, staying)
    os.kill(dying, signal.SIGSTOP)
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        client.raw("/health")
    client.close()
    # When it is killed
    os.kill(dying, signal.SIGKILL)
    killed = time.monotonic()
    # Then nobody waits any longer
    assert staying in _workers(server, without=dying)
    assert time.monotonic() - killed < WORKER_SILENT_SECONDS / 2
    assert server.stop() == 0


def test_a_worker_that_dies_without_the_database_is_replaced_with_it(
    server: Server, own_postgresql: PostgreSQL
) -> None:
    dying, staying = _workers(server)
    # Given a database that is away
    with own_postgresql.stopped():
        # When a worker is killed, and another one can't start
        os.kill(dying, signal.SIGKILL)
        for worker, client in _connections(server):
            # Then the one that runs goes on
            assert worker == staying
            client.close()
            if "a worker can't start yet" in server.log:
                break
    # And when the database is back, there are two again, and both write
    workers = _workers(server)
    assert staying in workers
    for worker in workers:
        # A worker that found the database away may say so once more before it looks again.
        patient = Patient(_client_of(server, worker))
        patient.post("runs/create", {"experiment_id": "0"})
        patient.close()
    assert server.stop() == 0


def _start(writers: list[Writer]) -> None:
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.wait_for(SOME)


def _workers(server: Server, without: int = 0) -> set[int]:
    """Two workers, of which none is the one left out."""
    found: set[int] = set()
    for worker, client in _connections(server):
        client.close()
        found |= {worker} - {without}
        if len(found) == 2:
            return found
    raise AssertionError(f"only {found} answered")


def _client_of(server: Server, wanted: int) -> Client:
    """A connection to a worker."""
    for worker, client in _connections(server):
        if worker == wanted:
            return client
        client.close()
    raise AssertionError(f"{wanted} never answered")


def _connections(server: Server) -> Iterator[tuple[int, Client]]:
    """Connections and the workers that have accepted them, which is up to the operating system."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        client = server.client()
        yield int(client.raw("/metrics").split(b'process="')[1].split(b'"')[0]), client
