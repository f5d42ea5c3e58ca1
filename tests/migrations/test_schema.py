"""The migrations make the schema that the tables' definitions say."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, pool
from sqlalchemy.schema import SchemaItem

from runyard.server.db import INDEXED_CHARACTERS
from runyard.server.db.database import open_dialect
from runyard.server.db.dialects import Dialect
from runyard.server.db.migrate import HEAD, run_migrations, upgrade
from tests.migrations.catalog import blob_storage, catalog, revision, triggers
from tests.migrations.schema import metadata
from tests.postgresql import PostgreSQL


def _engine_options(dialect: Dialect) -> dict[str, object]:
    return {"creator": lambda: dialect.connect(readonly=False), "poolclass": pool.NullPool}


def _address(dialect: Dialect) -> str:
    return "sqlite://" if dialect.name == "sqlite" else "postgresql+psycopg://"


def _empty(like: Dialect, folder: Path, request: pytest.FixtureRequest) -> Dialect:
    """Another empty database on the same system."""
    if like.name == "sqlite":
        return open_dialect(f"sqlite:///{folder}/another.db")
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return open_dialect(server.create_database())


@pytest.fixture
def migrated(empty_url: str) -> Dialect:
    """An empty database after the migrations."""
    dialect = open_dialect(empty_url)
    run_migrations(dialect)
    return dialect


def test_the_migrations_make_what_the_tables_say(
    migrated: Dialect, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # Given
    defined = _empty(migrated, tmp_path, request)
    # When
    metadata.create_all(create_engine(_address(defined), **_engine_options(defined)))
    # Then
    found, wanted = catalog(migrated), catalog(defined)
    assert {key for key in wanted if key[0] == "table"} == {("table", name) for name in metadata.tables}
    assert found == wanted


def test_a_first_start_makes_what_the_migrations_make(
    migrated: Dialect, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # Given
    first = _empty(migrated, tmp_path, request)
    # When
    upgrade(first)
    # Then (else: python -m tests.migrations.generate)
    assert catalog(first) == catalog(migrated)
    assert blob_storage(first) == blob_storage(migrated)
    assert triggers(first) == triggers(migrated)
    assert {"event_unchanged", "event_undeleted"} <= triggers(first).keys()
    assert revision(first) == revision(migrated) == HEAD


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based index")
def test_alembic_finds_nothing_to_do(migrated: Dialect) -> None:
    engine = create_engine(_address(migrated), **_engine_options(migrated))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": _comparable})
        assert compare_metadata(context, metadata) == []


def _comparable(item: SchemaItem, name: str | None, kind: str, reflected: bool, other: object) -> bool:
    # Indexes with expressions come back from PostgreSQL in other words; `catalog` compares them.
    del item, reflected, other
    return not (kind == "index" and name is not None and name.endswith(("_param_value", "_tag_value")))


def test_postgresql_stores_blobs_as_they_are(postgresql_url: str) -> None:
    storage = blob_storage(open_dialect(postgresql_url))
    assert {"metric_chunk.points", "metric_pack.data", "metric_batch.data"} <= storage.keys()
    assert set(storage.values()) == {"e"}


def test_long_texts_have_an_index_entry(migrated: Dialect) -> None:
    # Given a value that no entry of PostgreSQL's could hold, and that doesn't compress
    value = "".join(chr(0x4E00 + (i * 7919) % 20000) for i in range(20 * INDEXED_CHARACTERS))
    mark = "?" if migrated.name == "sqlite" else "%s"
    connection = migrated.connect(readonly=False)
    # When, then
    try:
        for table in ("run_param", "run_tag"):
            connection.execute(
                f"INSERT INTO {table} (run_id, key_id, experiment_id, value) VALUES (1, 1, 1, {mark})",
                (value,),
            )
    finally:
        connection.close()
