"""Why a request brought no answer.

::

    OutboundError           one family: ``reason`` for machines, a sentence for people
    └── ForbiddenAddress    the guard: no socket is opened to that address

The sentences name the host, never the URL: its path and query may hold a secret.
"""

from __future__ import annotations

import enum
import logging
import os
import ssl

import aiohttp

log = logging.getLogger(__name__)


class Reason(enum.StrEnum):
    """What stood in the way, in the order in which a request gets there."""

    BAD_URL = "bad_url"  # no URL that this server goes to; nothing was sent, and nothing will be next time
    BAD_HEADER = "bad_header"  # a header that cannot be sent, or is not the caller's to set; the same
    BUSY = "busy"  # our own bound: no connection became free. Nothing was sent, and the receiver is not to blame
    DNS = "dns"  # the name has no address, or nobody answers for it
    FORBIDDEN_ADDRESS = "forbidden_address"  # the guard
    CONNECT = "connect"  # the address takes no connection
    TLS = "tls"  # no certificate that is trusted for the name, or no TLS at all
    TIMEOUT = "timeout"  # there was a bound, and it passed; the request may have been taken
    CLOSED = "closed"  # the connection ended before the answer did; the request may have been taken
    PROTOCOL = "protocol"  # what came is not HTTP, or has no end to its head


class OutboundError(Exception):
    """A request that brought no answer. ``str()`` is a sentence that may be shown to whoever chose the URL."""

    def __init__(self, reason: Reason, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class ForbiddenAddress(OutboundError, OSError):  # noqa: N818 - named for the rule, as the refusals are
    """An address that no socket is opened to. It is an OSError, which is what connecting code takes for "not there"."""

    def __init__(self, sentence: str) -> None:
        super().__init__(Reason.FORBIDDEN_ADDRESS, sentence)


def outbound_error(error: Exception, host: str, *, queued: bool) -> OutboundError:
    """What ``error``, of aiohttp or below, means for a request to ``host``.

    ``queued``: the request was still waiting for one of our own connections.
    """
    if (forbidden := _forbidden(error)) is not None:
        return ForbiddenAddress(str(forbidden))
    match error:
        case TimeoutError() if queued:
            return OutboundError(Reason.BUSY, f"No connection to {host} became free in time.")
        case aiohttp.ConnectionTimeoutError():
            return OutboundError(Reason.TIMEOUT, f"{host} took too long to connect to.")
        case TimeoutError():
            return OutboundError(Reason.TIMEOUT, f"{host} took too long to answer.")
        case aiohttp.ClientConnectorDNSError():
            return OutboundError(Reason.DNS, f"{host} is not found: {_told(error)}.")
        case aiohttp.ClientSSLError():
            return OutboundError(Reason.TLS, f"{host} cannot be trusted: {_told(error)}.")
        case aiohttp.ClientConnectorError():
            return OutboundError(Reason.CONNECT, f"{host} takes no connection: {_told(error)}.")
        case aiohttp.InvalidURL():
            return OutboundError(Reason.BAD_URL, f"{host} is no host that can be asked.")
        case aiohttp.ClientResponseError():
            return OutboundError(Reason.PROTOCOL, f"What {host} answered is not HTTP.")
        case aiohttp.ClientPayloadError() | aiohttp.ClientConnectionError():
            return OutboundError(Reason.CLOSED, f"{host} ended the connection before its answer was complete.")
        case _:  # nothing of a receiver may end the task that asked it, whatever it finds in a library
            log.error("a request failed in a way that has no name yet", exc_info=error)
            return OutboundError(Reason.PROTOCOL, f"What {host} answered could not be read.")


def _forbidden(error: BaseException | None) -> ForbiddenAddress | None:
    """What the guard said, before aiohttp wrapped it as the OSError that it is too."""
    while error is not None and not isinstance(error, ForbiddenAddress):
        error = error.__cause__
    return error


def _told(error: aiohttp.ClientConnectorError) -> str:
    """What the system says, in its words and without its numbers."""
    inner = error.__cause__  # aiohttp 3.12 has no os_error where a certificate is at fault
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message.rstrip(".")
    if isinstance(inner, ssl.SSLError) and inner.reason:
        return inner.reason.replace("_", " ").lower()
    if isinstance(inner, OSError) and inner.errno is not None and inner.errno > 0:
        return os.strerror(inner.errno)
    if isinstance(inner, OSError) and inner.strerror:  # the resolver's numbers are its own, and below 0
        return inner.strerror
    return str(inner).rstrip(".")
