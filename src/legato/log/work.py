"""A piece of work on rows that are not events, run inside the writer's commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection

from legato.log.draft import require_same
from legato.log.values import IdempotencyKey
from legato.store.heads import PersonChanged, announce
from legato.store.idempotency import NewAnswer, keep_answers, read_answers
from legato.store.turn import UndoneError, is_undone


class Work:
    """Runs in a savepoint: what it raises undoes it alone and is raised to who asked.

    Unless the store has taken back everything: then so has the batch to be.
    """

    def __init__(
        self,
        work: Callable[[Connection], Any],
        key: IdempotencyKey | None,
        answer_type: Any,
        people: tuple[PersonChanged, ...],
        now: float,
    ) -> None:
        self.people = people
        self._work = work
        self._key = key
        self._answer_type = answer_type
        self._now = now
        self._result: Any = None
        self._error: Exception | None = None

    def run(self, connection: Connection) -> None:
        """In the writer's thread, within its transaction."""
        self._result, self._error = None, None
        try:
            with connection.begin_nested():
                self._result = self._work(connection) if self._key is None else self._once(connection, self._key)
        except Exception as error:  # told to the caller by `settle`
            if is_undone(connection):
                raise UndoneError from error
            self._error = error
        else:
            announce(connection, *self.people)

    def settle(self, future: asyncio.Future[Any]) -> None:
        """Answers the caller, after the commit."""
        if self._error is not None:
            future.set_exception(self._error)
        else:
            future.set_result(self._result)

    def _once(self, connection: Connection, key: IdempotencyKey) -> Any:
        place = (key.application_id, key.key)
        kept = read_answers(connection, [place]).get(place)
        if kept is not None:
            require_same(key, kept.fingerprint)
            return msgspec.json.decode(kept.answer, type=self._answer_type)
        result = self._work(connection)
        answer = msgspec.json.encode(result)
        keep_answers(connection, [NewAnswer(*place, key.fingerprint, answer, self._now)])
        return result
