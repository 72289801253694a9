"""Who may try to come in, by the address they come from.

::

    an unknown token, a websocket, the account's secret ─▶ knock ─┬─ a bucket for each address, IPv6 by its /64
                                                                  └─ empty: 429, before anything is verified
    it was good, or good once and is expired             ─▶ welcome: what was taken is given back

What counts is what fails. A room of 100 behind one office's address makes a thousand good requests a second by itself,
so a bound on those would either refuse clients or bound nothing; users and applications have bounds of their own.
Guessing is another matter, and so is opening sockets on which nobody logs in: nobody does that a thousand times by
mistake. A token that is remembered passes without a look at its address, so whoever guesses from behind the same
address keeps those out that were never in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from legato.api.limits import Buckets

# What a proxy passes on as an address and is none is a name of its own, cut to this.
_MAX_NAME: Final = 64
_IPV6_PREFIX: Final = 64  # bits; a site, often one customer's, has at least as many (RFC 6177)

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Doorway:
    """Bounds attempts to come in. Addresses are texts, None where there is none."""

    def __init__(self, rate: float, burst: float, *, trusted_proxies: str) -> None:
        """``rate`` failures a second and ``burst`` at once from each address; a rate of 0 never refuses.

        ``trusted_proxies`` is the setting of that name: addresses and networks with commas between, or ``*``.
        """
        self._buckets = Buckets(rate, burst)
        names = [name.strip() for name in trusted_proxies.split(",")]
        self._trusts_all = names == ["*"]
        self._trusted: list[_Network] = []
        self._trusted_names: set[str] = set()
        for name in names:
            try:
                self._trusted.append(ipaddress.ip_network(name, strict=False))
            except ValueError:
                self._trusted_names.add(name)

    @property
    def refused(self) -> int:
        """How many were not let through, since the start."""
        return self._buckets.refused

    def knock(self, address: str | None) -> None:
        """Somebody from ``address`` is about to prove who it is. Raises Overloaded when too many failed to."""
        if address is not None:
            self._buckets.take(place_of(address))

    def welcome(self, address: str | None) -> None:
        """It did."""
        if address is not None:
            self._buckets.give(place_of(address))

    def address(self, peer: str | None, forwarded: Sequence[str]) -> str | None:
        """Where a connection comes from: its ``peer``, or what trusted proxies say in their X-Forwarded-For fields.

        The last address that is not a trusted proxy's: everything before it is the client's own word.
        """
        if peer is None or not forwarded or not self._trusts(peer):
            return peer
        said = [_without_port(each.strip()) for each in ",".join(forwarded).split(",")]
        if self._trusts_all:
            return said[0] or peer
        return next((each for each in reversed(said) if not self._trusts(each)), said[0]) or peer

    def _trusts(self, address: str) -> bool:
        if self._trusts_all:
            return True
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return address in self._trusted_names
        return any(found in network for network in self._trusted)


@lru_cache(maxsize=4096)  # an address that knocks often
def place_of(address: str) -> str:
    """What is counted as one: an IPv4 address, the first 64 bits of an IPv6 address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:_MAX_NAME]
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))


def _without_port(address: str) -> str:
    """Some proxies write ``192.0.2.1:1234`` and ``[2001:db8::1]:1234``."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.partition(":")[0] if address.count(":") == 1 else address
