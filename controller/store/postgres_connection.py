"""Connections to PostgreSQL, and the rules each of them obeys.

Called by `postgres_database`; calls psycopg and SQLAlchemy. What the URL says of connecting comes before what stands here.
"""

from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg.abc import Buffer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from controller.errors import StateError, UsageError

OLDEST: Final = 13_00_00
"""The oldest PostgreSQL whose words the statements here use, as the server counts its versions."""
BUSY: Final = 30_000
"""Milliseconds a statement waits for another process before it gives up."""
STILL: Final = 15_000
"""Milliseconds a transaction that writes may stand still. One writes at a time: a process that was stopped in the middle gives way
before its lease runs out."""

_CONNECTING: Final[Mapping[str, str]] = {
    "application_name": "tillerman",
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "target_session_attrs": "read-write",  # of several hosts the one that is the primary now
}
_RULES: Final[Mapping[str, str]] = {
    "synchronous_commit": "on",
    "lock_timeout": str(BUSY),
    "TimeZone": "UTC",
}


class _Words(StrDumperUnknown):
    """Text as PostgreSQL takes it: a NUL byte, which only a hostile name has, becomes a character that no text has.

    What a row is read back from is the JSON beside, where a NUL is an escape.
    """

    def dump(self, obj: str) -> Buffer | None:
        """Write out a text."""
        return super().dump(obj.replace("\x00", "\ufffe") if "\x00" in obj else obj)


def name_of(url: str) -> str:
    """Say what people may read of a URL: never its password.

    Raises:
        UsageError: it is not the URL of a PostgreSQL.
    """
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise UsageError(
            "cannot read the URL of the state: it is not one of PostgreSQL",
            hint="postgresql://USER@HOST/DATABASE",
        ) from error
    where = found.get("host") or "this machine"
    return f"PostgreSQL database {found.get('dbname') or 'of the user'} on {where}"


def writing_engine(url: str) -> Engine:
    """Make the engine of the connection that writes."""
    rules = {"idle_in_transaction_session_timeout": str(STILL)}
    return _engine(url, rules, isolation="READ COMMITTED")


def reading_engine(url: str) -> Engine:
    """Make the engine of connections that cannot write; each transaction sees one moment."""
    return _engine(url, {"default_transaction_read_only": "on"}, isolation="REPEATABLE READ")


def making_engine(url: str) -> Engine:
    """Make the engine that makes tables: its texts compare by their bytes, as those of SQLite do."""
    engine = writing_engine(url)
    engine.dialect.type_compiler_instance.visit_TEXT = lambda *_, **__: 'TEXT COLLATE "C"'  # type: ignore[attr-defined]
    return engine


def _engine(url: str, rules: Mapping[str, str], *, isolation: str) -> Engine:
    named = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    wanted = make_conninfo(**{**_CONNECTING, **named, "client_encoding": "utf8"})
    settings = ", ".join(
        f"set_config('{key}', '{value}', false)" for key, value in {**_RULES, **rules}.items()
    )

    def connect() -> psycopg.Connection[tuple[object, ...]]:
        connection = psycopg.connect(wanted)
        try:
            connection.adapters.register_dumper(str, _Words)
            connection.execute(f"SELECT {settings}".encode())
            connection.commit()
            _refuse_unfit(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        poolclass=NullPool,
        isolation_level=isolation,
        use_native_hstore=False,
    )


def _refuse_unfit(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Refuse a server that is too old, or whose texts are not UTF-8."""
    if connection.info.server_version < OLDEST:
        raise StateError(
            f"cannot use PostgreSQL {connection.info.server_version // 10_000}: it is too old",
            hint=f"use PostgreSQL {OLDEST // 10_000} or newer",
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StateError(
            f"cannot use the database: it keeps texts as {encoding}, not as UTF8",
            hint="CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0",
        )
