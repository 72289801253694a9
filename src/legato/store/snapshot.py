"""The database as files that can be kept, as it was at one moment, while others go on writing to it.

::

    SQLite       legato.db      the online backup API, in one step: one reader more, which holds up nobody
    PostgreSQL   <table>.csv    COPY of each table within one REPEATABLE READ transaction

COPY needs no program beside the server's own driver, and what it writes is read by every version of PostgreSQL: a dump
of a newer pg_dump is not. The tables themselves come from our migrations when it is put back.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, LiteralString
from urllib.parse import quote

import psycopg
from alembic.runtime.migration import MigrationContext
from psycopg import sql
from sqlalchemy import Connection, Engine, create_engine, delete, inspect, make_url, select

from legato.store.migrate import bring_to, is_known
from legato.store.schema import media, metadata

SQLITE_PART: Final = "legato.db"
CSV_END: Final = ".csv"
_VERSIONS: Final = "alembic_version"  # the schema's revision: made by migrating, not copied
_CHUNK: Final = 1024 * 1024  # bytes
_MAX_HEADER: Final = 64 * 1024  # bytes of column names; a table of ours has some dozens
_AT_ONCE: Final = 500  # ids in one statement
CONNECT_SECONDS: Final = 10


class SnapshotError(Exception):
    """The database cannot be copied, or put back: why, in a sentence without secrets."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database in files: its revision, its parts, the rows of each table, and a file of the ids of all media."""

    store: str
    revision: str
    parts: tuple[Path, ...]
    rows: dict[str, int]
    media_ids: Path

    def ids(self) -> Iterator[str]:
        """The ids of all media."""
        with self.media_ids.open() as lines:
            yield from (line.rstrip("\n") for line in lines)


def store_of(url: str) -> str:
    """``sqlite`` or ``postgresql``."""
    return make_url(url).get_backend_name()


def take_snapshot(url: str, directory: Path) -> Snapshot:
    """Copies the database into new files below ``directory``. Raises SnapshotError."""
    with _telling("copied"):
        if store_of(url) == "sqlite":
            return _copy_sqlite(_file(url), directory)
        return _copy_postgresql(url, directory)


def is_empty(url: str) -> bool:
    """Whether there is nothing of ours in the database, or none. Raises SnapshotError when it does not answer."""
    if store_of(url) == "sqlite":
        file = _file(url)
        return not file.exists() or not file.stat().st_size
    with _telling("read"), _engine(url) as engine, engine.connect() as connection:
        return not _tables(connection)


def others_connected(url: str) -> list[str]:
    """Who else is connected to a PostgreSQL database, in words. Raises SnapshotError."""
    if store_of(url) == "sqlite":
        return []
    with _telling("read"), _engine(url) as engine, engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT application_name, coalesce(host(client_addr), 'this machine'), pid FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        return [f"{name or 'a program'} from {address} (PostgreSQL's process {pid})" for name, address, pid in rows]


def named_media(url: str, ids: Sequence[str]) -> set[str]:
    """Which of ``ids`` have a row in the database as it is now. Raises SnapshotError."""
    found: set[str] = set()
    with _telling("read"), _engine(url) as engine, engine.connect() as connection:
        for some in _steps(ids):
            found |= set(connection.execute(select(media.c.id).where(media.c.id.in_(some))).scalars())
    return found


def prepare_sqlite(file: Path, *, revision: str, rows: dict[str, int], without: Sequence[str]) -> None:
    """Makes a restored file ready to be the database: what it should hold is held, brought forward to this build.

    The media ``without`` are taken out of it. Raises SnapshotError when it is not what ``revision`` and ``rows`` say.
    """
    with _telling("put back"):
        with closing(sqlite3.connect(file)) as raw:
            found = _count(raw, rows)
        _compare(found, rows)
        with _engine(f"sqlite:///{file}") as engine, engine.begin() as connection:
            now = MigrationContext.configure(connection).get_current_revision()
            if now != revision:
                raise SnapshotError(f"the database is at revision {now}, not {revision}")
            _finish(connection, without)


def put_back_postgresql(
    url: str, parts: Sequence[Path], *, revision: str, rows: dict[str, int], without: Sequence[str], replace: bool
) -> None:
    """Fills the database from the files of a snapshot, and brings it forward to this build: all of it or nothing.

    With ``replace`` what is there goes first. The media ``without`` are taken out. Raises SnapshotError.
    """
    with _telling("put back"), _engine(url) as engine, engine.begin() as connection:
        if replace:
            _drop(connection)
        bring_to(connection, revision)
        for table in _tables(connection):  # some begin with a row
            connection.exec_driver_sql(f'TRUNCATE "{table}"')
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)  # noqa: S101 - the driver that the engine is made with
        _compare({part.name.removesuffix(CSV_END): _read_csv(raw, part) for part in parts}, rows)
        _go_on_counting(connection)
        _finish(connection, without)


# -- SQLite ----------------------------------------------------------------------------------------------------------


def _copy_sqlite(file: Path, directory: Path) -> Snapshot:
    if not file.exists():
        raise SnapshotError(f"there is nothing to copy: {file} does not exist")
    part = directory / SQLITE_PART
    part.touch(mode=0o600, exist_ok=False)
    with (
        closing(sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(part)) as copy,
    ):
        # All pages in one step, under one reading transaction. Several steps would begin anew with every commit that
        # comes between them, and on a busy server never end.
        source.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file; the server goes back to WAL when it opens it
        (well,) = copy.execute("PRAGMA quick_check(1)").fetchone()
        if well != "ok":
            raise SnapshotError(f"the database is damaged: {well}")
        names = [row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if _VERSIONS not in names:
            raise SnapshotError(f"there is nothing to copy: {file} holds no tables of Legato's")
        (revision,) = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        _check_known(revision)
        ours = sorted(set(names) & set(metadata.tables))
        rows = _count(copy, ours)
        ids = directory / "media.ids"
        with ids.open("w") as lines:
            lines.writelines(f"{row[0]}\n" for row in copy.execute("SELECT id FROM media ORDER BY id"))
    return Snapshot("sqlite", revision, (part,), rows, ids)


def _count(raw: sqlite3.Connection, tables: Iterable[str]) -> dict[str, int]:
    """The rows of each of our tables."""
    known = [table for table in tables if table in metadata.tables]
    return {table: raw.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0] for table in known}  # noqa: S608


# -- PostgreSQL ------------------------------------------------------------------------------------------------------


def _copy_postgresql(url: str, directory: Path) -> Snapshot:
    with _engine(url) as engine, engine.connect() as connection:
        connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            revision = MigrationContext.configure(connection).get_current_revision()
            if revision is None:
                raise SnapshotError("there is nothing to copy: the database holds no tables of Legato's")
            _check_known(revision)
            raw = connection.connection.driver_connection
            assert isinstance(raw, psycopg.Connection)  # noqa: S101 - the driver that the engine is made with
            parts, rows = [], {}
            for table in _tables(connection):
                part = directory / f"{table}{CSV_END}"
                rows[table] = _write_csv(raw, sql.Identifier(table), part, "WITH (FORMAT csv, HEADER true)")
                parts.append(part)
            ids = directory / "media.ids"
            _write_csv(raw, sql.SQL("(SELECT id FROM media ORDER BY id)"), ids, "")
    return Snapshot("postgresql", revision, tuple(parts), rows, ids)


def _tables(connection: Connection) -> list[str]:
    """Our tables in the schema that the connection uses: others may stand beside them."""
    return sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))


def _write_csv(raw: psycopg.Connection[Any], what: sql.Composable, part: Path, form: LiteralString) -> int:
    """Copies rows into a new file; how many."""
    statement = sql.SQL("COPY {} TO STDOUT {}").format(what, sql.SQL(form))
    with part.open("xb") as file, raw.cursor() as cursor:
        with cursor.copy(statement) as rows:
            for chunk in rows:
                file.write(chunk)
        return cursor.rowcount


def _read_csv(raw: psycopg.Connection[Any], part: Path) -> int:
    """Copies a file's rows into its table; how many."""
    table = part.name.removesuffix(CSV_END)
    with part.open("rb") as file, raw.cursor() as cursor:
        columns = next(csv.reader([file.readline(_MAX_HEADER).decode()]), [])
        file.seek(0)
        statement = sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT csv, HEADER true)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with cursor.copy(statement) as rows:
            while chunk := file.read(_CHUNK):
                rows.write(chunk)
        return cursor.rowcount


def _drop(connection: Connection) -> None:
    now = MigrationContext.configure(connection).get_current_revision()
    if not is_known(now):
        raise SnapshotError(
            f"the database is at revision {now}, whose tables this build does not know: restore into an empty one"
        )
    for table in (*_tables(connection), _VERSIONS):
        connection.exec_driver_sql(f'DROP TABLE IF EXISTS "{table}"')


def _go_on_counting(connection: Connection) -> None:
    """Rows that PostgreSQL numbers by itself are numbered on from the highest that was put back."""
    look = inspect(connection)
    for table in _tables(connection):
        if "id" not in {column["name"] for column in look.get_columns(table)}:
            continue
        sequence = connection.exec_driver_sql("SELECT pg_get_serial_sequence(%s, 'id')", (table,)).scalar()
        if sequence is not None:
            highest = f'SELECT coalesce(max(id), 0) + 1 FROM "{table}"'  # noqa: S608 - a table of ours
            connection.exec_driver_sql(f"SELECT setval(%s, ({highest}), false)", (sequence,))


# -- both ------------------------------------------------------------------------------------------------------------


def _finish(connection: Connection, without: Sequence[str]) -> None:
    bring_to(connection, "head")
    for some in _steps(without):
        connection.execute(delete(media).where(media.c.id.in_(some)))


def _compare(found: dict[str, int], rows: dict[str, int]) -> None:
    if found != rows:
        wrong = sorted(name for name in found.keys() | rows.keys() if found.get(name) != rows.get(name))
        raise SnapshotError(f"the rows of {', '.join(wrong)} are not as many as there were")


def _check_known(revision: str) -> None:
    if not is_known(revision):
        raise SnapshotError(
            f"the database is at revision {revision}, which this build does not know: use a newer Legato"
        )


def _file(url: str) -> Path:
    return Path(make_url(url).database or "")


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    parsed = make_url(url)
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
        options = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8", "application_name": "legato"}
    engine = create_engine(parsed, hide_parameters=True, connect_args=options)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _telling(what: str) -> Iterator[None]:
    """What the drivers say, as a SnapshotError."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (psycopg.Error, sqlite3.Error) as error:
        raise SnapshotError(f"the database cannot be {what}: {error}".strip()) from error
    except SQLAlchemyError as error:
        raise SnapshotError(
            f"the database cannot be {what}: {getattr(error, 'orig', None) or error}".strip()
        ) from error


def _steps(ids: Iterable[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for one in ids:
        some.append(one)
        if len(some) == _AT_ONCE:
            yield some
            some = []
    if some:
        yield some
