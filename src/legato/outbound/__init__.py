"""Every request that leaves this server: the HTTP client, and the guard that says whom it may reach.

::

    Outbound          makes requests: bounded in time, size and number
    Answer            what came back
    OutboundError     why nothing came back, with a Reason
    check_address     whether an IP address may be connected to
    check_url         whether a URL may be asked, before anybody asks it
    host_of           the part of a URL that may be shown

A setting holds a URL, a request has one in its body, an application's answer_url is one: whoever chose it, this room
connects to public hosts only, unless the operator opens private networks.
"""

from __future__ import annotations

from legato.outbound.client import (
    CONNECTIONS,
    CONNECTIONS_PER_HOST,
    KEPT_HEADERS,
    MAX_ANSWER,
    Answer,
    Method,
    Outbound,
)
from legato.outbound.errors import ForbiddenAddress, OutboundError, Reason
from legato.outbound.guard import check_address
from legato.outbound.headers import check_headers
from legato.outbound.resolver import Resolver, SystemResolver
from legato.outbound.url import check_url, host_of

__all__ = [
    "CONNECTIONS",
    "CONNECTIONS_PER_HOST",
    "KEPT_HEADERS",
    "MAX_ANSWER",
    "Answer",
    "ForbiddenAddress",
    "Method",
    "Outbound",
    "OutboundError",
    "Reason",
    "Resolver",
    "SystemResolver",
    "check_address",
    "check_headers",
    "check_url",
    "host_of",
]
