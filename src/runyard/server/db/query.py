"""Statements that are compiled once per dialect and run many times on the driver."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.selectable import Join
from sqlalchemy.types import Boolean, Integer, NullType, Text

from runyard.server.db.compiled import Compiled

if TYPE_CHECKING:
    from sqlalchemy.sql.base import Executable
    from sqlalchemy.sql.compiler import SQLCompiler

    from runyard.server.db.dialects import Dialect


class Query:
    """A statement for both dialects.

    Args:
        build: a Core statement, or a function from the dialect to one, where the dialects differ.

    Only types that both drivers bind and return natively belong in it: integers, floats, text, bytes;
    a boolean comes back from SQLite as 0 or 1.
    """

    __slots__ = ("_build", "_compiled")

    def __init__(self, build: Executable | Callable[[Dialect], Executable]) -> None:
        self._build = build
        self._compiled: dict[str, Compiled] = {}

    def compiled(self, dialect: Dialect) -> Compiled:
        """The compiled form, made at the first call for a dialect."""
        found = self._compiled.get(dialect.name)
        if found is None:
            built = self._build
            statement = built(dialect) if callable(built) else built
            found = self._compiled[dialect.name] = compile_statement(statement, dialect)
        return found


def compile_statement(statement: Any, dialect: Dialect) -> Compiled:
    """Compile a Core statement for one dialect, with literal lists expanded."""
    compiled = statement.compile(dialect=dialect.sqlalchemy, compile_kwargs={"render_postcompile": True})
    return Compiled(str(compiled), tuple(compiled.positiontup or ()), compiled.params)


class in_list(ColumnElement[bool]):  # noqa: N801 - reads as the SQL function that it is
    """`column IN (the values of one list parameter)`: the text stays the same for any length.

    The parameter's value is a list of integers or of strings. SQLite unpacks it with `json_each`,
    PostgreSQL takes it as an array.

    Args:
        column: what is looked for in the list.
        values: the parameter, or its name.
    """

    inherit_cache = False
    # Or SQLite would be told to compare it with 1, which hides the index from it.
    _is_implicitly_boolean = True
    type = Boolean()

    def __init__(self, column: ColumnElement[Any], values: str | BindParameter[Any]) -> None:
        self.column = column
        self.values = bindparam(values, type_=NullType()) if isinstance(values, str) else values

    @property
    def _from_objects(self) -> Any:
        return self.column._from_objects


@compiles(in_list, "sqlite")
def _in_list_sqlite(element: in_list, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = compiler.process(element.column, **kw), compiler.process(element.values, **kw)
    return f"{column} IN (SELECT value FROM json_each({values}))"


@compiles(in_list, "postgresql")
def _in_list_postgresql(element: in_list, compiler: SQLCompiler, **kw: Any) -> str:
    column, values = compiler.process(element.column, **kw), compiler.process(element.values, **kw)
    # Of the column's own type, or PostgreSQL would compare with one value after the other.
    kind = "bigint" if isinstance(element.column.type, Integer) else "text"
    return f"{column} = ANY({values}::{kind}[])"


INDEXED_CHARACTERS = 200


class indexed(ColumnElement[str]):  # noqa: N801 - reads as the SQL function that it is
    """What an index holds of a text column of any length.

    SQLite's entries may be as long as the text. PostgreSQL's may not: there it is the first
    `INDEXED_CHARACTERS` of it, so a comparison needs the whole text beside it.
    """

    inherit_cache = False
    type = Text()

    def __init__(self, column: ColumnElement[str]) -> None:
        self.column = column

    @property
    def _from_objects(self) -> Any:
        return self.column._from_objects


@compiles(indexed, "sqlite")
def _indexed_sqlite(element: indexed, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.column, **kw)


@compiles(indexed, "postgresql")
def _indexed_postgresql(element: indexed, compiler: SQLCompiler, **kw: Any) -> str:
    return f"substr({compiler.process(element.column, **kw)}, 1, {INDEXED_CHARACTERS})"


class is_member(ColumnElement[bool]):  # noqa: N801 - reads as the SQL function that it is
    """Whether a set holds a number; a test takes as long as reading one byte.

    Args:
        number: not negative, and less than the length of the set.
        name: the parameter's name. Its value is bytes: at each number's place 1 when it is in the set.
    """

    inherit_cache = False
    _is_implicitly_boolean = True
    type = Boolean()

    def __init__(self, number: ColumnElement[Any], name: str) -> None:
        self.number = number
        self.members = bindparam(name, type_=NullType())

    @property
    def _from_objects(self) -> Any:
        return self.number._from_objects


@compiles(is_member, "sqlite")
def _is_member_sqlite(element: is_member, compiler: SQLCompiler, **kw: Any) -> str:
    members, number = compiler.process(element.members, **kw), compiler.process(element.number, **kw)
    return f"substr({members}, {number} + 1, 1) = x'01'"


@compiles(is_member, "postgresql")
def _is_member_postgresql(element: is_member, compiler: SQLCompiler, **kw: Any) -> str:
    members, number = compiler.process(element.members, **kw), compiler.process(element.number, **kw)
    return f"get_byte({members}, {number}::int) = 1"


class nested(Join):  # noqa: N801 - reads as the SQL operator that it is
    """A join that looks up the right side for each row of the left one.

    SQLite has no statistics here and might turn it round; PostgreSQL decides for itself.
    """

    inherit_cache = False


@compiles(nested, "sqlite")
def _nested_sqlite(element: nested, compiler: SQLCompiler, **kw: Any) -> str:
    sides = {**kw, "asfrom": True}
    left, right = compiler.process(element.left, **sides), compiler.process(element.right, **sides)
    assert element.onclause is not None  # noqa: S101 - for mypy
    condition = compiler.process(element.onclause, **{k: v for k, v in kw.items() if k != "asfrom"})
    return f"{left} CROSS JOIN {right} ON {condition}"
