"""How large the database is."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, text


def database_bytes(connection: Connection) -> int:
    """Bytes on the disk: of a SQLite file with its write-ahead log, of a PostgreSQL database as it says itself."""
    if connection.dialect.name == "postgresql":
        size: int = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
        return size
    file = connection.engine.url.database or ""
    return sum(path.stat().st_size for path in (Path(file), Path(f"{file}-wal")) if path.exists())
