"""A PostgreSQL of the tests' own: a fresh cluster in a folder of its own, reached by a Unix socket only.

Every process of a test run starts one when a test first asks; each test gets a database of its own, copied from one that has the
newest form already, or made as new after another test.
"""

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from controller.store.postgres import make_tables

SHIPPED = Path("/usr/lib/postgresql")
ROLE = "tillerman"
TEMPLATE = "newest"
KEEP = """
DO $$
DECLARE made text;
BEGIN
    CREATE SCHEMA pristine;
    FOR made IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('CREATE TABLE pristine.%1$I AS TABLE public.%1$I', made);
    END LOOP;
END $$
"""
"""Remembers what stands in fresh tables."""
RESET = """
DO $$
DECLARE made text;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR made IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        IF to_regclass(format('pristine.%I', made)) IS NULL THEN
            EXECUTE format('DROP TABLE public.%I CASCADE', made);
        ELSE
            EXECUTE format('DELETE FROM public.%I', made);
            EXECUTE format('INSERT INTO public.%1$I TABLE pristine.%1$I', made);
        END IF;
    END LOOP;
END $$
"""
"""Makes tables as they were; a new database would cost ten times as much, and deleting it again as much."""


def binaries() -> Path | None:
    """Find the folder with initdb: the newest that the distribution ships, or the one in the path."""
    shipped = sorted(SHIPPED.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = str(shipped[-1]) if shipped else shutil.which("initdb")
    return Path(found).parent if found else None


def owner() -> pwd.struct_passwd:
    """Choose who runs it: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres")
    return pwd.getpwnam("nobody")


class Cluster:
    """One server with its data; started by `start`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._owner = owner()
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        os.chown(folder, self._owner.pw_uid, self._owner.pw_gid)
        self._run("initdb", "-A", "trust", "-U", ROLE, "-E", "UTF8", "--locale=C.UTF-8")
        settings = (
            "listen_addresses = ''",
            f"unix_socket_directories = '{folder}'",
            "shared_buffers = '32MB'",
            "max_connections = 60",
            "wal_level = minimal",
            "max_wal_senders = 0",
            "autovacuum_naptime = '5s'",
        )
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(("", *settings, "")))

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._run("pg_ctl", "start", "-w", "-s", "-l", str(self.folder / "log"))

    def stop(self, mode: str = "fast") -> None:
        """Stop it; `immediate` is as good as a crash."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", mode)

    def url(self, database: str) -> str:
        """Name a database."""
        return f"postgresql://{ROLE}@/{database}?host={quote(str(self.folder))}"

    def empty(self) -> str:
        """Make an empty database and give its URL."""
        return self._make("template0")

    def fresh(self) -> str:
        """Give the URL of a database of the newest form that nobody uses."""
        return self._free.pop() if self._free else self._make(TEMPLATE)

    def template(self) -> None:
        """Make the database that others are copied from."""
        self.sql("postgres", f"CREATE DATABASE {TEMPLATE}")
        make_tables(self.url(TEMPLATE))
        self.sql(TEMPLATE, KEEP)

    def sql(self, database: str, statement: str) -> list[tuple[object, ...]]:
        """Run one statement on its own in a database, given by name or URL."""
        url = database if "://" in database else self.url(database)
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def cut(self, url: str) -> None:
        """Break every connection to a database."""
        self.sql(
            url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

    def take_back(self, url: str) -> None:
        """Make the database of a test as new for the next one."""
        self.cut(url)
        self.sql(url, RESET)
        self._free.append(url)

    def _make(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.sql("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self.folder / "data", *arguments],
            check=True,
            user=self._owner.pw_uid if os.geteuid() == 0 else None,
            group=self._owner.pw_gid if os.geteuid() == 0 else None,
            extra_groups=[] if os.geteuid() == 0 else None,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            timeout=60,
        )


def name_of(url: str) -> str:
    """Read the name of the database from a URL of `Cluster.url`."""
    return url.partition("?")[0].rpartition("/")[2]


_RUNNING: list[Cluster] = []


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A server for all tests of this process, whichever folder of tests asks first."""
    if _RUNNING:
        yield _RUNNING[0]
        return
    programs = binaries()
    if programs is None:
        pytest.skip("there is no PostgreSQL on this machine (apt install postgresql)")
    with started(programs) as made:
        made.template()
        _RUNNING.append(made)
        yield made
        _RUNNING.clear()


@contextlib.contextmanager
def started(programs: Path) -> Iterator[Cluster]:
    """Start a server and take it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="tillerman-pg-", ignore_cleanup_errors=True) as folder:
        made = Cluster(Path(folder), programs)
        made.start()
        try:
            yield made
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                made.stop("immediate")


@pytest.fixture
def postgres(cluster: Cluster) -> Iterator[str]:
    """The URL of a database of the newest form, for one test."""
    url = cluster.fresh()
    yield url
    cluster.take_back(url)


@pytest.fixture
def empty_postgres(cluster: Cluster) -> str:
    """The URL of an empty database, for one test."""
    return cluster.empty()
