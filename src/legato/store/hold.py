"""One server per PostgreSQL database, as long as servers cannot speak to each other.

::

    server ── the connection that writes ──▶ PostgreSQL: advisory lock LOCK       held for as long as it is connected
    second server ── the same ─────────────▶ refused: AnotherServerError

Two servers on one database would each tell its own clients only of its own events, and nobody would notice. The lock
belongs to the one connection that writes, so whoever can write is alone: a server that loses its connection loses both,
and takes both again before it writes anything more, or learns that another server has come. PostgreSQL lets go of the
lock when the connection ends, however it ends. Commands write beside a server and hold nothing.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

# "lega", "to": two numbers of our own among a database's advisory locks.
LOCK: Final = (0x6C656761, 0x746F)
# A server that was killed may still be committing; one that was told to stop and is slow is not waited for.
WAIT_SECONDS: Final = 5.0
_RETRY_SECONDS: Final = 0.1
# When the other machine is gone without a word, PostgreSQL finds out, and lets go, after some 25 s.
_KEEPALIVE: Final = {"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3"}
_MAX_HOST: Final = 32  # of the 63 bytes that PostgreSQL keeps of a name

_HOLDER: Final = """
    SELECT pid, backend_start::text, application_name
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND classid = %s AND objid = %s AND objsubid = 2
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
_ME: Final = "SELECT pid, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class AnotherServerError(Exception):
    """Another server has the database."""

    def __init__(self, holder: str) -> None:
        super().__init__(
            f"the database is in use by {holder}: several nodes are not supported yet, so one server at a time has it"
        )


class Hold:
    """Whatever connection ``engine`` makes holds the lock, or is not made. The engine must have one at a time."""

    def __init__(self, engine: Engine) -> None:
        self._me: tuple[int, str] | None = None  # PostgreSQL's process of the last connection, and its start
        self._lost: AnotherServerError | None = None
        event.listen(engine, "do_connect", self._connect)

    def _connect(self, dialect: Any, _record: object, arguments: Any, options: Any) -> Any:
        if self._lost is not None:
            raise self._lost  # what is in memory here is not what the other has written
        connection = dialect.connect(*arguments, **options)
        try:
            connection.autocommit = True
            self._take(connection)
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self, connection: Any) -> None:
        for name, value in {"application_name": _name(), **_KEEPALIVE}.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        deadline = time.monotonic() + WAIT_SECONDS
        while not connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK).fetchone()[0]:
            holder = connection.execute(_HOLDER, LOCK).fetchone()
            if holder is not None and holder[:2] == self._me:
                # Our own connection, which was lost on the way, and nobody has told PostgreSQL.
                connection.execute("SELECT pg_terminate_backend(%s)", holder[:1])
            elif time.monotonic() > deadline:
                error = AnotherServerError(_told(holder) if holder else "another server")
                if self._me is not None:
                    self._lost = error
                raise error
            time.sleep(_RETRY_SECONDS)
        self._me = connection.execute(_ME).fetchone()


def holder_of(connection: Connection) -> str | None:
    """The server that has the PostgreSQL database, in words; None when none has."""
    holder = connection.exec_driver_sql(_HOLDER, LOCK).first()
    return None if holder is None else _told(holder)


def _name() -> str:
    return f"legato on {socket.gethostname()[:_MAX_HOST]} (process {os.getpid()})"


def _told(holder: Any) -> str:
    pid, _start, name = holder
    return str(name) if name else f"PostgreSQL's process {pid}"
