"""Schema migrations: Alembic revisions in ``legato/store/migrations``, run in one transaction."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

# "lega", "to": two numbers of our own among a database's advisory locks.
LOCK: Final = (0x6C656761, 0x746F)
_HERE = Path(__file__).parent / "migrations"


class NewerDatabaseError(Exception):
    """The database is at a revision that this build does not know: a newer one has upgraded it."""

    def __init__(self, revision: str) -> None:
        super().__init__(f"the database is at revision {revision}, which this build does not know: use a newer Legato")


def upgrade(engine: Engine) -> None:
    """Brings the database to the newest revision; nothing happens when it is there. Raises NewerDatabaseError.

    Of nodes that start together one does it, and the others wait.
    """
    config = _config()
    scripts = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            for limit in ("lock_timeout", "idle_in_transaction_session_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {limit} = 0")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s, %s)", LOCK)
        current = MigrationContext.configure(connection).get_current_revision()
        if current == scripts.get_current_head():
            return
        if not is_known(current):
            raise NewerDatabaseError(str(current))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def bring_to(connection: Connection, revision: str) -> None:
    """Brings the database forward to ``revision`` (``head``: the newest) within the transaction of ``connection``."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def revision(engine: Engine) -> tuple[str | None, str | None]:
    """The revision the database is at and the newest one this build knows."""
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_config()).get_current_head()


def is_known(revision: str | None) -> bool:
    """Whether a database at ``revision`` (None: an empty one) is one that this build can upgrade."""
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    return revision is None or revision in known


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.set_main_option("path_separator", "os")
    return config
