"""Insert a row, or change the one that has its key: one statement for SQLite and PostgreSQL.

Called by the shelves; calls nobody. Both databases read the same words here, so one statement serves both.
"""

from sqlalchemy import Insert, Table, insert, text


def upsert(table: Table, *, keys: tuple[str, ...], set_: tuple[str, ...]) -> Insert:
    """Make the statement that inserts rows, whose values are given when it is executed; `rowcount` counts those that were written.

    Args:
        table: where the rows go.
        keys: the columns of a primary key or a unique constraint of the table.
        set_: the columns that take the new values where a row with these keys is there already; none: it stays as it is.
    """
    known, changed = [_name(table, key) for key in keys], [_name(table, name) for name in set_]
    change = ", ".join(f"{name} = excluded.{name}" for name in changed)
    do = f"UPDATE SET {change}" if change else "NOTHING"
    clause = text(f"ON CONFLICT ({', '.join(known)}) DO {do}")
    statement = insert(table)
    statement.apply_syntax_extension_point(lambda _: [clause], "post_values")
    return statement.execution_options(preserve_rowcount=True)


def _name(table: Table, column: str) -> str:
    """Quote the name of a column; one that the table has not is a mistake of ours."""
    return f'"{table.c[column].name}"'
