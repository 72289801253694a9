"""From a name to its addresses: the system's resolver, in threads of its own, and the guard in front of any."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

from aiohttp.abc import AbstractResolver, ResolveResult

from legato.outbound.errors import ForbiddenAddress
from legato.outbound.guard import check_address

# A look-up that nobody answers holds a thread for ten seconds or more. These are not the event loop's own threads,
# which read files and would wait behind it; sixteen such names at once delay the other names, and nothing else.
LOOKUPS: Final = 16


class Resolver(Protocol):
    """Whoever knows the addresses of names."""

    async def addresses(self, host: str) -> Sequence[str]:
        """The IPv4 and IPv6 addresses of ``host`` as text. Raises OSError when it has none."""
        ...


class SystemResolver:
    """The operating system's resolver: ``/etc/hosts``, DNS, whatever the machine is told to ask."""

    def __init__(self, *, lookups: int = LOOKUPS) -> None:
        self._threads = ThreadPoolExecutor(lookups, thread_name_prefix="resolver")

    async def addresses(self, host: str) -> Sequence[str]:
        """The addresses of ``host`` of the families that this machine has."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host)

    def close(self) -> None:
        """Begins no other look-up. One that runs cannot be stopped, and is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str) -> Sequence[str]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError:  # of the IDNA codec: a label of over 63 characters, or of none
        raise OSError("it is no name of a host") from None
    return [str(address[0]) for *_, address in found]


class GuardedResolver(AbstractResolver):
    """Another resolver's addresses, of names of which every address may be connected to.

    One forbidden address among public ones is refused too: who publishes it wants us to try it.
    """

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._resolver = resolver
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Exactly the addresses that were checked. Raises ForbiddenAddress, or OSError when there are none."""
        addresses = tuple(await self._resolver.addresses(host))
        if not addresses:
            raise OSError("the name has no address")
        for address in addresses:
            try:
                check_address(address, allow_private=self._allow_private)
            except ForbiddenAddress as error:
                raise ForbiddenAddress(f"{host} leads to an address that is closed: {error}") from None
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        """Nothing: the resolver behind belongs to who made it."""
