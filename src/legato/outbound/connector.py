"""The one place where sockets to others are made, and the pool that keeps them.

The guard stands in two doors. The resolver refuses a name with a forbidden address before anything is connected; the
socket is made only for an address that passes, and is connected to that very address. The second door alone would do:
an address that was written into the URL, came out of a cache, or was resolved by somebody else meets it too, and there
is no moment between the check and the connection in which a name could be looked up again.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Final

import aiohttp

from legato.outbound.guard import check_address
from legato.outbound.resolver import GuardedResolver, Resolver

DNS_SECONDS: Final = 10  # a name that moves is followed within this; a busy receiver's name is not asked for each time
# Node's servers close a connection that was idle for 5 s; what is written to it at that moment is lost.
KEEP_ALIVE_SECONDS: Final = 4.0


def make_connector(
    *,
    resolver: Resolver,
    trust: ssl.SSLContext,
    allow_private: bool,
    connections: int,
    connections_per_host: int,
) -> aiohttp.TCPConnector:
    """Connections to addresses that pass the guard, as many as these at once, TLS by ``trust``. Needs a running loop.

    ``connections_per_host`` counts for each host, port and scheme.
    """
    return aiohttp.TCPConnector(
        resolver=GuardedResolver(resolver, allow_private=allow_private),
        socket_factory=make_socket_factory(allow_private=allow_private),
        ssl=trust,
        limit=connections,
        limit_per_host=connections_per_host,
        ttl_dns_cache=DNS_SECONDS,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )


def make_socket_factory(*, allow_private: bool) -> aiohttp.SocketFactoryType:
    """What makes a socket for an address, or raises ForbiddenAddress."""

    def make_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(str(address[0]), allow_private=allow_private)
        return socket.socket(family, kind, protocol)

    return make_socket


def make_trust(extra_authority: Path | None) -> ssl.SSLContext:
    """TLS that believes the system's authorities, and ``extra_authority`` (PEM) beside them. Reads files."""
    trust = ssl.create_default_context()
    if extra_authority is not None:
        trust.load_verify_locations(extra_authority)
    trust.set_alpn_protocols(["http/1.1"])
    return trust
