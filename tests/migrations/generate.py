"""Writes what follows from the tables and the migrations: `python -m tests.migrations.generate`.

* `migrations/versions/0001_tracking.py`, from the tables: with `--first`, and before the first release only.
  After it 0001 never changes: a change of the tables brings a migration of its own.
* `migrations/head/*.sql`, from the migrations: what they do to an empty database. After each new migration.

`test_schema` tells when either is missing.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from alembic.autogenerate import render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateTableOp, UpgradeOps
from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, create_engine, event
from sqlalchemy.engine import Engine

from runyard.server.db import INDEXED_CHARACTERS, indexed
from runyard.server.db.database import open_dialect
from runyard.server.db.dialects import Dialect
from runyard.server.db.migrate import MIGRATIONS, SEPARATOR, run_migrations
from tests.migrations.schema import metadata
from tests.postgresql import PostgreSQL

FIRST = MIGRATIONS / "versions" / "0001_tracking.py"

_WRITING = {"CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE"}

_BEGIN = '''"""Experiments, runs, logged models and metric series.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# A 64-bit surrogate key; SQLite gives rowid tables only to a column of type INTEGER.
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Compared and ordered by its bytes, whatever the locale of PostgreSQL's database.
PLAIN_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
'''

_END = f'''

def _indexed(column: str) -> str | sa.TextClause:
    """What an index holds of a text of any length; PostgreSQL's entries may not be long."""
    if op.get_context().dialect.name == "postgresql":
        return sa.text(f"substr({{column}}, 1, {INDEXED_CHARACTERS})")
    return column


def _store_as_it_is(table: str, *columns: str) -> None:
    """Keep PostgreSQL from compressing blobs, which wouldn't get shorter."""
    if op.get_context().dialect.name == "postgresql":
        for column in columns:
            op.execute(f"ALTER TABLE {{table}} ALTER COLUMN {{column}} SET STORAGE EXTERNAL")
'''


def first_migration() -> str:
    """The migration's text."""
    context = MigrationContext.configure(create_engine("sqlite://").connect())
    lines = [line for table in metadata.tables.values() for line in _statements(table, context)]
    code = _BEGIN + "".join(f"    {line}\n" for line in lines) + _END
    return subprocess.run(
        [str(Path(sys.executable).parent / "ruff"), "format", "--stdin-filename", str(FIRST), "-"],
        input=code,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _statements(table: Table, context: MigrationContext) -> list[str]:
    rendered = render_python_code(
        UpgradeOps([CreateTableOp.from_table(table)]),
        sqlalchemy_module_prefix="sa.",
        render_item=_render_type,
        migration_context=context,
    )
    lines = [line.strip() for line in rendered.splitlines() if not line.strip().startswith("#")]
    blobs = [column.name for column in table.columns if isinstance(column.type, LargeBinary)]
    if blobs:
        lines.append(f"_store_as_it_is({', '.join(map(repr, (table.name, *blobs)))})")
    return lines + [_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))]


def _render_type(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """The names of the types that have a variant."""
    del context
    if kind == "type" and isinstance(item, BigInteger) and item._variant_mapping:
        return "BIG_ID"
    if kind == "type" and isinstance(item, Text) and item._variant_mapping:
        return "PLAIN_TEXT"
    return False


def _index(index: Index) -> str:
    parts = []
    for expression in index.expressions:
        if isinstance(expression, indexed):
            assert isinstance(expression.column, Column)
            parts.append(f"_indexed({expression.column.name!r})")
        else:
            assert isinstance(expression, Column)
            parts.append(repr(expression.name))
    assert index.table is not None
    options = ", unique=True" if index.unique else ""
    return f"op.create_index({index.name!r}, {index.table.name!r}, [{', '.join(parts)}]{options})"


def main() -> None:
    """Write the files."""
    if "--first" in sys.argv[1:]:
        FIRST.write_text(first_migration())
    with tempfile.TemporaryDirectory() as folder:
        _write_head(open_dialect(f"sqlite:///{folder}/empty.db"))
    server = PostgreSQL()
    server.create()
    try:
        _write_head(open_dialect(server.create_database()))
    finally:
        server.delete()


def _write_head(empty: Dialect) -> None:
    done: list[str] = []

    def note(connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        del connection, cursor
        if statement.split(maxsplit=1)[0] in _WRITING:
            assert not parameters, "a migration must write its values into its statements"
            plain = "\n".join(line.rstrip() for line in statement.strip().splitlines())
            done.append(plain.split(" RETURNING ")[0])

    event.listen(Engine, "before_cursor_execute", note)
    run_migrations(empty)
    event.remove(Engine, "before_cursor_execute", note)
    file = MIGRATIONS / "head" / f"{empty.name}.sql"
    file.write_text(SEPARATOR.join(done) + "\n")


if __name__ == "__main__":
    main()
