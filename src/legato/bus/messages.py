"""What nodes tell each other.

::

    7c1f…-a2 h 4711                        the log is at commit 4711; without a number: something has changed
    7c1f…-a2 e 4711 12 [{"id":…},…]        these events came after commit 4711 and change 12, in this order
    7c1f…-a2 s {"commit":4711,"event":…}   a signal passes, after commit 4711
    7c1f…-a2 q 40b9…-07 {"number":1,…}     a command to the node 40b9…-07
    40b9…-07 a 7c1f…-a2 {"number":1,…}     what it answers

The first word is the node that says it, so that it does not listen to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from legato.events.envelope import Event, encode_event
from legato.store.heads import Heads

_ADVANCED: Final = "h"
_APPENDED: Final = "e"
_PASSED: Final = "s"
_ASKED: Final = "q"
_ANSWERED: Final = "a"


class Advanced(msgspec.Struct, frozen=True):
    """There is something new to read in the log, up to ``commit`` at least; 0: it is not known how far."""

    commit: int = 0


class Appended(msgspec.Struct, frozen=True):
    """All that was committed since the log was at ``after``: who was there need not read it."""

    after: Heads
    events: tuple[Event, ...]

    @property
    def commit(self) -> int:
        """The number of the last event."""
        return self.after.commit + len(self.events)


class Passed(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that is not stored, to be told after commit ``commit``.

    ``to_members``: the members of its conversation hear it; else the session ``session_id`` does, or nobody's session.
    """

    commit: int
    event: Event
    to_members: bool = False
    session_id: str | None = None


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command to the node ``to``; ``number`` is the call's at the node ``by`` that makes it."""

    to: str
    number: int
    command: str
    content: msgspec.Raw
    by: str = ""  # who says it, once it is heard


class Answered(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a call, for the node ``to`` that made it; ``refusal`` says in a sentence why nothing did."""

    to: str
    number: int
    content: msgspec.Raw = msgspec.Raw(b"null")
    refusal: str | None = None


Broadcast = Advanced | Appended | Passed  # for all
Message = Broadcast | Asked | Answered

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Passed).decode
_decode_asked = msgspec.json.Decoder(Asked).decode
_decode_answered = msgspec.json.Decoder(Answered).decode
_decode_events = msgspec.json.Decoder(tuple[Event, ...]).decode


def advanced(node: str, commit: int) -> str:
    """How a node says ``Advanced``."""
    return f"{node} {_ADVANCED} {commit or ''}"


def appended(node: str, after: Heads, payloads: Sequence[bytes]) -> str:
    """How a node says ``Appended``, with the events as they are stored."""
    return f"{node} {_APPENDED} {after.commit} {after.change} [{b','.join(payloads).decode()}]"


def written(node: str, message: Message) -> str:
    """The message as text."""
    if isinstance(message, Advanced):
        return advanced(node, message.commit)
    if isinstance(message, Appended):
        return appended(node, message.after, [encode_event(event) for event in message.events])
    if isinstance(message, Passed):
        return f"{node} {_PASSED} {_encode(message).decode()}"
    kind = _ASKED if isinstance(message, Asked) else _ANSWERED
    return f"{node} {kind} {message.to} {_encode(message).decode()}"


def read(node: str, text: str) -> Message | None:
    """What another node has said; None for what ``node`` itself says, or what is said to others.

    ValueError when it is nothing that nodes say.
    """
    sender, _, rest = text.partition(" ")
    if sender == node:
        return None
    kind, _, content = rest.partition(" ")
    if kind == _ADVANCED:
        return Advanced(int(content or 0))
    if kind == _APPENDED:
        commit, change, payloads = content.split(" ", 2)
        return Appended(Heads(int(commit), int(change)), _decode_events(payloads))
    if kind == _PASSED:
        return _decode(content)
    if kind in (_ASKED, _ANSWERED):
        to, _, content = content.partition(" ")
        if to != node:
            return None
        return _decode_answered(content) if kind == _ANSWERED else replace(_decode_asked(content), by=sender)
    raise ValueError(f"no node says {kind[:20]!r}")
