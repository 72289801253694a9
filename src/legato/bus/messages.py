"""What nodes tell each other.

::

    7c1f…-a2 h 4711                        the log is at commit 4711; without a number: something has changed
    7c1f…-a2 s {"commit":4711,"event":…}   a signal passes, after commit 4711

The first word is the node that says it, so that it does not listen to itself.
"""

from __future__ import annotations

from typing import Final

import msgspec

from legato.events.envelope import Event

_ADVANCED: Final = "h"
_PASSED: Final = "s"


class Advanced(msgspec.Struct, frozen=True):
    """There is something new to read in the log, up to ``commit`` at least; 0: it is not known how far."""

    commit: int = 0


class Passed(msgspec.Struct, frozen=True, omit_defaults=True):
    """An event that is not stored, to be told after commit ``commit``.

    ``to_members``: the members of its conversation hear it; else the session ``session_id`` does, or nobody's session.
    """

    commit: int
    event: Event
    to_members: bool = False
    session_id: str | None = None


Message = Advanced | Passed

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Passed).decode


def beginning(node: str) -> str:
    """How a node says that the log has advanced, less the number."""
    return f"{node} {_ADVANCED} "


def written(node: str, message: Message) -> str:
    """The message as text."""
    if isinstance(message, Advanced):
        return beginning(node) + (str(message.commit) if message.commit else "")
    return f"{node} {_PASSED} {_encode(message).decode()}"


def read(node: str, text: str) -> Message | None:
    """What another node has said; None for what ``node`` itself says. ValueError when it is nothing that nodes say."""
    sender, _, rest = text.partition(" ")
    if sender == node:
        return None
    kind, _, content = rest.partition(" ")
    if kind == _ADVANCED:
        return Advanced(int(content or 0))
    if kind == _PASSED:
        return _decode(content)
    raise ValueError(f"no node says {kind[:20]!r}")
