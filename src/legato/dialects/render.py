"""An event for the taps that hear it live: sessions and webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from legato.dialects.chat import chat
from legato.dialects.classic import classic
from legato.dialects.dialect import PLAIN, Dialect, Manner
from legato.dialects.form import Rendered, SocketEvent, State, as_made, socket_form, webhook_form
from legato.events import Event, JsonObject

_RENDER: Final[dict[Dialect, Callable[[Event, Manner], Rendered | None]]] = {
    Dialect.CLASSIC: classic,
    Dialect.CHAT: chat,
}


def for_socket(
    dialect: Dialect,
    event: Event,
    *,
    manner: Manner = PLAIN,
    state: State | None = None,
    private: JsonObject | None = None,
) -> SocketEvent | None:
    """The event for a session of that dialect; None when the dialect skips it.

    ``state`` is the receipts of an event that is sent again; ``private`` is added to the body for the sessions of the
    user it is for (an SDP offer in an invitation). A classic session is skipped only what happened outside
    conversations.
    """
    if private:
        event = replace(event, body={**event.body, **private})
    rendered = _RENDER[dialect](event, manner)
    if rendered is None:
        return None
    # `@vonage/client-sdk` reads no receipts from its socket.
    return socket_form(event, rendered, state if dialect is Dialect.CLASSIC else None)


def for_webhook(event: Event) -> bytes:
    """The event as it was made: the JSON body of a webhook request."""
    return webhook_form(event, as_made(event))
