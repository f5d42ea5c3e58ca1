"""What a database says of its own schema, as values that can be compared.

Alembic's comparison misses much of what matters here: WITHOUT ROWID, expressions in indexes, collations,
how blobs are stored. The order of columns counts for nothing: a later migration adds at the end.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import psycopg

from runyard.server.db.dialects import Dialect

# A kind of thing, its name, and what is to be known of it.
Catalog = dict[tuple[str, str], Any]

_TABLES = """
    SELECT c.relname, c.relpersistence, c.reloptions FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
"""
_COLUMNS = """
    SELECT c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, l.collname,
           pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
      AND c.relnamespace = current_schema()::regnamespace
"""
_INDEXES = """
    SELECT c.relname, pg_get_indexdef(c.oid), i.indisunique, i.indisprimary, i.indcollation::text
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = current_schema()::regnamespace
"""
_CONSTRAINTS = """
    SELECT c.conrelid::regclass || '.' || c.conname, pg_get_constraintdef(c.oid) FROM pg_constraint c
    WHERE c.connamespace = current_schema()::regnamespace
"""
_SEQUENCES = """
    SELECT s.sequencename, s.data_type::text, s.start_value, s.increment_by, s.max_value, s.cycle
    FROM pg_sequences s WHERE s.schemaname = current_schema()
"""
_STORAGE = """
    SELECT c.relname || '.' || a.attname, a.attstorage::text
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relkind = 'r' AND a.attnum > 0 AND a.atttypid = 'bytea'::regtype
      AND c.relnamespace = current_schema()::regnamespace
"""

_TRIGGERS = """
    SELECT t.tgname, pg_get_triggerdef(t.oid), p.prosrc FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
"""


def catalog(dialect: Dialect) -> Catalog:
    """Tables, columns, indexes, constraints and sequences, without Alembic's own."""
    connection = dialect.connect(readonly=True)
    try:
        found = _sqlite(connection) if dialect.name == "sqlite" else _postgresql(connection)
    finally:
        connection.close()
    return {key: value for key, value in found.items() if "alembic" not in key[1]}


def blob_storage(dialect: Dialect) -> dict[str, str]:
    """How each blob column is stored on PostgreSQL: `e` for as it is. Tables' definitions don't say it."""
    if dialect.name == "sqlite":
        return {}
    connection = dialect.connect(readonly=True)
    try:
        return {name: storage for name, storage in connection.execute(_STORAGE)}  # noqa: C416
    finally:
        connection.close()


def triggers(dialect: Dialect) -> dict[str, Any]:
    """Each trigger and what it does. Tables' definitions don't say it."""
    connection = dialect.connect(readonly=True)
    try:
        if dialect.name == "sqlite":
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        else:
            found = connection.execute(_TRIGGERS)
        return {row[0]: row[1:] for row in found}
    finally:
        connection.close()


def revision(dialect: Dialect) -> str | None:
    """The revision that a database says it has; None for an empty one."""
    connection = dialect.connect(readonly=True)
    try:
        if dialect.name == "sqlite":
            tables = "SELECT name FROM sqlite_master"
        else:
            tables = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
        if ("alembic_version",) not in connection.execute(tables).fetchall():
            return None
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return str(found[0])
    finally:
        connection.close()


def _postgresql(connection: psycopg.Connection[Any]) -> Catalog:
    queries = {
        "table": _TABLES,
        "column": _COLUMNS,
        "index": _INDEXES,
        "constraint": _CONSTRAINTS,
        "sequence": _SEQUENCES,
    }
    return {
        (kind, str(row[0])): row[1:] for kind, query in queries.items() for row in connection.execute(query)
    }


def _sqlite(connection: sqlite3.Connection) -> Catalog:
    run = connection.execute
    found: Catalog = {}
    tables = run("SELECT name, wr, strict FROM pragma_table_list WHERE type = 'table' AND schema = 'main'")
    for table, without_rowid, strict in tables.fetchall():
        if table.startswith("sqlite_"):
            continue
        found["table", table] = without_rowid, strict
        columns = f"SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo('{table}')"
        found |= {("column", f"{table}.{row[0]}"): row[1:] for row in run(columns)}
        for index, unique, origin, partial in run(
            f"SELECT name, \"unique\", origin, partial FROM pragma_index_list('{table}')"
        ).fetchall():
            parts = run(
                f"SELECT name, desc, coll, key FROM pragma_index_xinfo('{index}') WHERE key ORDER BY seqno"
            ).fetchall()
            # With the expressions, which have no name above; none for what a constraint made.
            text = run("SELECT sql FROM sqlite_master WHERE name = ?", (index,)).fetchone()
            found["index", f"{table}.{index}"] = unique, origin, partial, parts, text
    return found
