"""What the REST API can be told; ``legato.config`` fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# An event's body is at most 4 kB (custom) or 2,500 characters (text); a conversation's custom data is the largest
# thing a caller has reason to send.
MAX_BODY: Final = 256 * 1024

# Per user: every client receipts every message (up to twice: delivered and seen), and `@vonage/client-sdk` reads
# `members/me` before each. In a room of 100 at 10 texts/s that is 30 requests/s from one user by itself; the burst
# is a page of history replayed to a client that comes back.
USER_RATE: Final = 200.0
USER_BURST: Final = 1_000.0
# Per application: a bound on one tenant's share of a node, well above what one core can append.
APPLICATION_RATE: Final = 20_000.0
APPLICATION_BURST: Final = 40_000.0
SESSION_TTL: Final = 900.0  # as `legato.sessions` has it


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the API. Rates are requests per second, bursts requests; a rate of 0 switches that limit off.

    ``public_url`` is the origin (and path, if any) by which callers reach this server, without a trailing slash: every
    link is written on it. ``socket_url`` is the origin of the Socket.IO endpoint. ``session_ttl`` is how long a session
    can be resumed, in seconds.
    """

    public_url: str = "http://127.0.0.1:8770"
    socket_url: str | None = None
    region: str = "local"
    max_body: int = MAX_BODY
    user_rate: float = USER_RATE
    user_burst: float = USER_BURST
    application_rate: float = APPLICATION_RATE
    application_burst: float = APPLICATION_BURST
    session_ttl: float = SESSION_TTL
