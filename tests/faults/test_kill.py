"""kill -9 under load: what was acknowledged is there, once; what wasn't is there at most once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.ledger import Ledger, Writer, check
from tests.faults.server import Server

pytestmark = pytest.mark.xdist_group("processes")

ROUNDS = 3
WRITERS = 6
# How many acknowledgements of one writer a round waits for before the kill: the moment differs from round
# to round.
ACKNOWLEDGED = (10, 100)


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    started = Server(tmp_path / "data", "--database", database_url)
    started.start()
    yield started
    started.stop()


def test_nothing_acknowledged_is_lost(server: Server) -> None:
    chance = random.Random(7)
    ledgers: list[Ledger] = []
    for round_ in range(ROUNDS):
        # Given writers at work
        writers = [Writer(server.client(), round_ * 100 + i) for i in range(WRITERS)]
        for writer in writers:
            writer.start()
        writers[0].wait_for(chance.randint(*ACKNOWLEDGED))
        # When the server dies and starts again
        server.kill()
        for writer in writers:
            writer.join(30)
        server.start()
        # Then everything acknowledged, in this round and before, is there once
        ledgers += [writer.ledger for writer in writers]
        client = server.client()
        for ledger in ledgers:
            check(client, ledger)
        client.close()
