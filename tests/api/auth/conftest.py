"""The fixture `team`: see `tests.api.auth.team`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.auth.team import Team, serve_team


@pytest.fixture
def team(database_url: str, tmp_path: Path) -> Iterator[Team]:
    """A started server with a team: once on each system."""
    with serve_team(database_url, str(tmp_path)) as started:
        yield started
