"""Where the rooms say what begins and what ends, for whoever traces it.

``tracer`` is None unless ``legato.operations.traces`` has been set up, and that is all that a room looks at: once for a
request, a command, a batch or an attempt, never for a delivery.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Span(Protocol):
    """Something that takes time. It ends with the ``with`` block of whoever began it."""

    def tell(self, **attributes: str | int) -> None:
        """More about it, in names with ``_`` for ``.``; never a text, a token or a secret."""
        ...


class Tracer(Protocol):
    """What a room can say. Within the ``with`` block, what begins is part of what was begun."""

    def request(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> AbstractContextManager[Span]:
        """A REST request is handled; its caller may have said of what it is a part."""
        ...

    def command(self, name: str) -> AbstractContextManager[Span]:
        """A command waits for the writer, is decided and committed."""
        ...

    def batch(self, begun: int, commands: Sequence[Span], size: int) -> None:
        """A batch of ``size`` requests was decided and committed, from ``begun`` (nanoseconds since 1970) to now."""
        ...

    def attempt(self, **attributes: str | int) -> AbstractContextManager[Span]:
        """An event is sent to an endpoint."""
        ...

    def headers(self) -> Mapping[str, str]:
        """What an outgoing request says of what it is a part."""
        ...


tracer: Tracer | None = None
