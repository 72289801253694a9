"""Events as each generation of clients reads them. Pure: values in, values out."""

from __future__ import annotations

from legato.dialects.chat import CHAT
from legato.dialects.classic import CLASSIC
from legato.dialects.dialect import PLAIN, Dialect, Manner
from legato.dialects.form import SocketEvent, State
from legato.dialects.history import CHAT_EVENTS, EVERYTHING, HistoryFilter, for_history, history_filter
from legato.dialects.render import for_socket, for_webhook

__all__ = [
    "CHAT",
    "CHAT_EVENTS",
    "CLASSIC",
    "EVERYTHING",
    "PLAIN",
    "Dialect",
    "HistoryFilter",
    "Manner",
    "SocketEvent",
    "State",
    "for_history",
    "for_socket",
    "for_webhook",
    "history_filter",
]
