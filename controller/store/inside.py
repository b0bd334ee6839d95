"""Values inside the JSON of a row, as SQLite and as PostgreSQL read them.

Called by the shelves where a query looks into `data`; calls nobody.
"""

from typing import TypeVar

from sqlalchemy import Boolean, ColumnElement, Text, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

T = TypeVar("T")


class _Field(FunctionElement[T]):
    """A field of a JSON object."""

    inherit_cache: bool | None = True

    def __init__(self, column: ColumnElement[str] | ColumnElement[str | None], field: str) -> None:
        super().__init__(column, literal_column(f"'{field}'"))


class TextIn(_Field[str]):
    """A field of a JSON object, as text that compares by its bytes."""

    inherit_cache: bool | None = True
    type: TypeEngine[str] = Text()


class FlagIn(_Field[bool]):
    """A field of a JSON object, as true or false."""

    inherit_cache: bool | None = True
    type: TypeEngine[bool] = Boolean()


@compiles(_Field, "sqlite")
def _on_sqlite(element: _Field[object], compiler: SQLCompiler, **_: object) -> str:
    column, field = (compiler.process(clause) for clause in element.clauses)
    return f"json_extract({column}, '$.' || {field})"


@compiles(TextIn, "postgresql")
def _text(element: TextIn, compiler: SQLCompiler, **_: object) -> str:
    column, field = (compiler.process(clause) for clause in element.clauses)
    return f'(({column}::json ->> {field}) COLLATE "C")'


@compiles(FlagIn, "postgresql")
def _flag(element: FlagIn, compiler: SQLCompiler, **_: object) -> str:
    column, field = (compiler.process(clause) for clause in element.clauses)
    return f"({column}::json ->> {field})::boolean"
