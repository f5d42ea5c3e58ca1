"""0008: names are taken once among the active experiments; nothing of what was there is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from runyard.server.db import migrate
from runyard.server.db.database import open_dialect
from runyard.server.db.dialects import Dialect, Fault

ROWS = (
    (0, 1, "Default", "mlflow-artifacts:/default/0", 0, 1, 2),
    (3, 1, "/a/b", "", 0, 3, 4),
    (4, 1, "/a/gone", "s3://x", 1, 5, 6),
    (5, 1, f"{5:0>501}", "", 2, 7, 8),
    (9, 2, "/a/b", "", 0, 9, 10),
)
COLUMNS = "id, workspace_id, name, artifact_location, lifecycle, creation_time, last_update_time"
NEW = (
    "INSERT INTO experiment (workspace_id, name, artifact_location, lifecycle, creation_time, "
    "last_update_time) VALUES (1, '{}', '', {}, 0, 0) RETURNING id"
)


@pytest.fixture
def before(empty_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dialect:
    """A database of the version before, with experiments."""
    scripts = tmp_path / "before"
    shutil.copytree(migrate.MIGRATIONS, scripts)
    for script in (scripts / "versions").glob("[0-9]*.py"):
        if script.name >= "0008":
            script.unlink()
    dialect = open_dialect(empty_url)
    with monkeypatch.context() as patched:
        patched.setattr(migrate, "MIGRATIONS", scripts)
        migrate.run_migrations(dialect)
    connection = dialect.connect(readonly=False)
    for row in ROWS:
        connection.execute(f"INSERT INTO experiment ({COLUMNS}) VALUES {row!r}")
    connection.execute("INSERT INTO experiment_tag (experiment_id, key, value) VALUES (3, 'k', 'v')")
    # One that was purged had the last id.
    if dialect.name == "postgresql":
        connection.execute("SELECT setval('experiment_id_seq', 12)")
    else:
        connection.execute("UPDATE sqlite_sequence SET seq = 12 WHERE name = 'experiment'")
    connection.close()
    return dialect


def test_an_older_database_keeps_its_experiments_and_gives_no_id_again(before: Dialect) -> None:
    # When
    migrate.run_migrations(before)
    # Then
    connection = before.connect(readonly=False)
    found = connection.execute(f"SELECT {COLUMNS} FROM experiment ORDER BY id").fetchall()
    assert [tuple(row) for row in found] == list(ROWS)
    assert connection.execute("SELECT experiment_id, key, value FROM experiment_tag").fetchall() == [
        (3, "k", "v")
    ]
    assert connection.execute(NEW.format("/a/gone", 0)).fetchone()[0] == 13
    assert connection.execute(NEW.format("/a/gone", 1)).fetchone()[0] == 14
    with pytest.raises(before.error) as refused:
        connection.execute(NEW.format("/a/b", 0))
    connection.close()
    assert before.fault(refused.value) is Fault.INTEGRITY
