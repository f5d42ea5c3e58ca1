from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgresql import PostgreSQL


@pytest.fixture
def own_postgresql() -> Iterator[PostgreSQL]:
    """A running PostgreSQL server that nobody else needs: a test may stop and start it."""
    server = PostgreSQL()
    server.create()
    yield server
    server.delete()
