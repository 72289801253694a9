"""Commands to one node, and its answers: for what only the node can do that has the session.

::

    call(node, command) ──▶ Asked to node ──▶ its handler ──▶ Answered to us ──▶ the result, or NoAnswerError in time

A call is at most once: who gets no answer does not know whether it was done.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec

from legato.bus.messages import Answered, Asked

log = logging.getLogger(__name__)

Q = TypeVar("Q", bound=msgspec.Struct)
A = TypeVar("A", bound=msgspec.Struct)

# A node that is there answers in milliseconds; whoever waits for one that is not has a client that waits.
DEADLINE_SECONDS: Final = 2.0
# Calls under way, of this node and to it. What is more is refused, or let lie.
MAX_CALLS: Final = 1_000


class NoAnswerError(Exception):
    """The node is gone, too slow, or could not do it."""


@dataclass(frozen=True, slots=True)
class Command(Generic[Q, A]):
    """What a node can be asked to do: its name on the bus, and the types of what goes there and what comes back."""

    name: str
    asks: type[Q]
    answers: type[A]


class Calls:
    """This node's end: ``handle`` what others ask, ``call`` to ask them."""

    def __init__(self, say: Callable[[Asked | Answered], bool]) -> None:
        """``say`` publishes; False when nobody can be told."""
        self._say = say
        self._numbers = itertools.count(1)
        self._handlers: dict[str, Callable[[bytes], Awaitable[Any]]] = {}
        self._pending: dict[int, asyncio.Future[bytes]] = {}
        self._answering: set[asyncio.Task[None]] = set()

    def handle(self, command: Command[Q, A], handler: Callable[[Q], Awaitable[A]]) -> None:
        """``handler`` is what this node does when it is asked for ``command``."""
        decode = msgspec.json.Decoder(command.asks).decode

        async def run(content: bytes) -> A:
            return await handler(decode(content))

        self._handlers[command.name] = run

    async def call(self, node: str, command: Command[Q, A], asked: Q, seconds: float = DEADLINE_SECONDS) -> A:
        """What ``node`` answers. Raises NoAnswerError, after ``seconds`` at the latest."""
        number = next(self._numbers)
        if len(self._pending) >= MAX_CALLS:
            raise NoAnswerError(f"{MAX_CALLS} calls to other nodes are under way")
        if not self._say(Asked(node, number, command.name, msgspec.Raw(msgspec.json.encode(asked)))):
            raise NoAnswerError("the bus is not there")
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                return msgspec.json.decode(await answer, type=command.answers)
        except TimeoutError as late:
            raise NoAnswerError(f"the node has not answered {command.name} within {seconds:g} s") from late
        except msgspec.MsgspecError as odd:
            raise NoAnswerError(f"what the node answered to {command.name} is none: {odd}") from odd
        finally:
            del self._pending[number]

    def hear(self, message: Asked | Answered) -> None:
        """What another node has said to this one."""
        if isinstance(message, Asked):
            if len(self._answering) < MAX_CALLS:
                task = asyncio.create_task(self._answer(message), name=f"answering {message.command}")
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)
            return
        answer = self._pending.get(message.number)
        if answer is None or answer.done():
            return  # nobody waits any more
        if message.refusal is None:
            answer.set_result(bytes(message.content))
        else:
            answer.set_exception(NoAnswerError(message.refusal))

    async def close(self) -> None:
        """Leaves what is asked of this node undone."""
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _answer(self, asked: Asked) -> None:
        handler = self._handlers.get(asked.command)
        if handler is None:  # a node of another version
            self._say(Answered(asked.by, asked.number, refusal=f"the node does not know {asked.command!r}"))
            return
        try:
            answer = await handler(bytes(asked.content))
        except Exception as error:  # whatever it is, the one who asks need not wait for it
            log.exception("what another node asked for (%s) could not be done", asked.command)
            self._say(Answered(asked.by, asked.number, refusal=f"the node could not do it ({type(error).__name__})"))
        else:
            self._say(Answered(asked.by, asked.number, msgspec.Raw(msgspec.json.encode(answer))))
