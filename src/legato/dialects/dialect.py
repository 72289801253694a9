"""Which generation of clients is listening, and what an application decides about rendering for it."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass


class Dialect(enum.StrEnum):
    """CLASSIC is spoken by nexmo-client and every reader that does not say otherwise, CHAT by `@vonage/client-sdk`."""

    CLASSIC = "classic"
    CHAT = "chat"


def _never(url: str) -> bool:
    return False


def _unsigned(url: str, application_id: str) -> str:
    return url


@dataclass(frozen=True, slots=True)
class Manner:
    """How an application wants its events rendered.

    ``message_as_text``: a text that a chat client sent is a ``text`` for classic ones. ``is_own_media_url`` tells
    whether a URL is served by this installation; ``sign_media_url`` makes such a URL readable without a token, for a
    time.
    """

    message_as_text: bool = True
    is_own_media_url: Callable[[str], bool] = _never
    sign_media_url: Callable[[str, str], str] = _unsigned


PLAIN = Manner()
