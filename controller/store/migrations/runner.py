"""Alembic, run from inside the package on a connection that is already open.

Called by `schema`, which imports it only when there is something to migrate.
"""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, StampStep
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from controller.errors import StateError


def migrate(connection: Connection, to: str) -> None:
    """Do every migration up to `to` in the transaction of `connection`.

    Raises:
        StateError: the state has a form that this program has never heard of.
    """
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)

    def steps(found: tuple[str, ...], context: MigrationContext) -> list[StampStep]:
        return scripts._upgrade_revs(to, found)  # type: ignore[arg-type,return-value]  # noqa: SLF001

    try:
        with EnvironmentContext(config, scripts, fn=steps) as environment:
            batch = connection.dialect.name == "sqlite"  # it knows little of ALTER TABLE
            environment.configure(connection=connection, render_as_batch=batch)
            environment.run_migrations()
    except (CommandError, RevisionError) as error:
        raise StateError(f"cannot migrate the state to form {to}: {error}") from error
