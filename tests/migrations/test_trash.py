"""0005: what was deleted with its experiment comes back with it, as before."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runyard.server.db import migrate
from runyard.server.db.database import open_dialect

EXPERIMENT = (
    "INSERT INTO experiment (id, workspace_id, name, artifact_location, lifecycle, creation_time, "
    "last_update_time) VALUES ({0}, 1, 'e{0}', '', {1}, 0, 100)"
)
RUN = (
    "INSERT INTO run (id, uuid, experiment_id, name, user_id, status, start_time, lifecycle, deleted_time) "
    "VALUES ({0}, 'r{0}', {1}, '', '', 1, 0, {2}, {3})"
)


def test_an_older_database_keeps_what_was_deleted_by_itself(
    empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a database of the version before, with a deleted experiment (1) and an active one (2)
    before = tmp_path / "before"
    shutil.copytree(migrate.MIGRATIONS, before)
    for version in (before / "versions").glob("0*.py"):
        if version.name >= "0005":
            version.unlink()
    dialect = open_dialect(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "MIGRATIONS", before)
        migrate.run_migrations(dialect)
    connection = dialect.connect(readonly=False)
    for id_, lifecycle in ((1, 1), (2, 0)):
        connection.execute(EXPERIMENT.format(id_, lifecycle))
    for run in ((1, 1, 1, 99), (2, 1, 1, 100), (3, 1, 1, "NULL"), (4, 2, 1, 200), (5, 2, 0, "NULL")):
        connection.execute(RUN.format(*run))
    # When
    migrate.run_migrations(dialect)
    # Then
    found = connection.execute("SELECT id, lifecycle, deleted_time FROM run ORDER BY id").fetchall()
    connection.close()
    assert [tuple(row) for row in found] == [
        (1, 1, 99),
        (2, 0, None),
        (3, 0, None),
        (4, 1, 200),
        (5, 0, None),
    ]
