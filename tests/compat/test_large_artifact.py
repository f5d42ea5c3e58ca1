"""Large artifacts stream through the server: its memory stays flat whatever their size."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .conftest import RunScript
from .server import Server, is_peer

# What a server may take on top of its rest while it moves one artifact: buffers, not contents.
ALLOWED_BYTES = 32 * 1024 * 1024


@pytest.mark.parametrize(
    "megabytes", [64, pytest.param(1024, marks=pytest.mark.full)], ids=lambda size: f"{size}MB"
)
@pytest.mark.xdist_group("compat-skinny")
def test_memory_stays_flat(megabytes: int, server: Server, run_script: RunScript) -> None:
    # Given a server that has moved an artifact before
    run_script("skinny", "large_artifact", COMPAT_ARTIFACT_MB="1")
    rest = server.resident_bytes()
    # When a client sends and fetches a large one
    with _peak_of(server) as peak:
        facts = run_script("skinny", "large_artifact", COMPAT_ARTIFACT_MB=str(megabytes))
    # Then it arrived whole, and the server never held it
    assert facts["megabytes"] == megabytes
    grown = max(peak) - rest
    assert grown < ALLOWED_BYTES or is_peer(), f"the server grew by {grown / 2**20:.0f} MB"


@contextmanager
def _peak_of(server: Server) -> Iterator[list[int]]:
    """Watch the server's memory; the list's only entry is the most seen so far."""
    peak = [server.resident_bytes()]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], server.resident_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
