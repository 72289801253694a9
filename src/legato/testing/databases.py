"""Databases that have the newest schema from the start: it is made once, and copied for each test."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, create_engine

from legato.store.migrate import upgrade
from legato.testing.postgres import Cluster


class Databases:
    """Copies of an empty database with the newest schema. The file that SQLite's are copied from is ``original``."""

    def __init__(self, original: Path) -> None:
        self._original = original
        self._originals: dict[Cluster, str] = {}

    def sqlite(self, path: Path) -> str:
        """The URL of a new SQLite database at ``path``."""
        if not self._original.exists():
            _make(f"sqlite:///{self._original}")
        shutil.copyfile(self._original, path)
        return f"sqlite:///{path}"

    def postgresql(self, cluster: Cluster) -> str:
        """The URL of a new database of ``cluster``."""
        if cluster not in self._originals:
            original = cluster.database()
            _make(original)
            self._originals[cluster] = original
        return cluster.database(like=self._originals[cluster])


def write(url: str, work: Callable[[Connection], object]) -> None:
    """Does ``work`` in one transaction of a database, beside the server that has it."""
    engine = create_engine(url)
    with engine.begin() as connection:
        work(connection)
    engine.dispose()


def _make(url: str) -> None:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode=WAL")  # it stays with the file; the server's is the same
    upgrade(engine)
    engine.dispose()
