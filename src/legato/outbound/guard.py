"""Which addresses may be connected to: one table, one function, asked for every socket of this room.

Whoever can give this server a URL could otherwise have it ask what stands behind the firewall: the router, a database,
the metadata service of a cloud. So a connection goes to public hosts only, whatever the name was and whatever DNS says.

The table is our own. ``ipaddress.is_global`` changed its mind between Python 3.11 and 3.13, and calls public what
carries a private IPv4 address inside.
"""

from __future__ import annotations

import enum
import ipaddress
from dataclasses import dataclass
from typing import Final

from legato.outbound.errors import ForbiddenAddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Standing(enum.Enum):
    """What a block of addresses is to this server."""

    PUBLIC = enum.auto()
    PRIVATE = enum.auto()  # hosts of a network of one's own: connected to when the operator says so
    NEVER = enum.auto()  # no host that anybody could mean


@dataclass(frozen=True, slots=True)
class Block:
    """A block of addresses, what it is, and who says so."""

    network: ipaddress.IPv4Network | ipaddress.IPv6Network
    standing: Standing
    what: str
    source: str


def _block(network: str, standing: Standing, what: str, source: str) -> Block:
    return Block(ipaddress.ip_network(network), standing, what, source)


# The first row that holds an address decides. What gives out a machine's credentials comes before the private network
# that it hides in, and stays closed when private networks are opened: nobody's webhook lives there.
IPV4: Final = (
    _block("100.100.100.200/32", Standing.NEVER, "a metadata service", "Alibaba Cloud"),
    _block("168.63.129.16/32", Standing.NEVER, "a service of the machine's host", "Azure"),
    _block("0.0.0.0/8", Standing.NEVER, "this host itself", "RFC 1122 3.2.1.3"),
    _block("10.0.0.0/8", Standing.PRIVATE, "a private address", "RFC 1918"),
    _block("100.64.0.0/10", Standing.PRIVATE, "a carrier's private address", "RFC 6598"),
    _block("127.0.0.0/8", Standing.PRIVATE, "a loopback address", "RFC 1122 3.2.1.3"),
    _block("169.254.0.0/16", Standing.NEVER, "a link-local address", "RFC 3927"),  # with clouds' 169.254.169.254
    _block("172.16.0.0/12", Standing.PRIVATE, "a private address", "RFC 1918"),
    _block("192.0.0.0/24", Standing.NEVER, "reserved for protocols", "RFC 6890"),  # with Oracle's 192.0.0.192
    _block("192.0.2.0/24", Standing.NEVER, "an address for documentation", "RFC 5737"),
    _block("192.88.99.0/24", Standing.NEVER, "a relay that is no more", "RFC 7526"),
    _block("192.168.0.0/16", Standing.PRIVATE, "a private address", "RFC 1918"),
    _block("198.18.0.0/15", Standing.PRIVATE, "an address for benchmarks", "RFC 2544"),
    _block("198.51.100.0/24", Standing.NEVER, "an address for documentation", "RFC 5737"),
    _block("203.0.113.0/24", Standing.NEVER, "an address for documentation", "RFC 5737"),
    _block("224.0.0.0/4", Standing.NEVER, "a multicast address", "RFC 5771"),
    _block("255.255.255.255/32", Standing.NEVER, "the broadcast address", "RFC 919"),
    _block("240.0.0.0/4", Standing.NEVER, "reserved", "RFC 1112 4"),
    _block("0.0.0.0/0", Standing.PUBLIC, "public", "RFC 791"),
)
IPV6: Final = (
    _block("fd00:ec2::254/128", Standing.NEVER, "a metadata service", "Amazon"),
    _block("fd20:ce::254/128", Standing.NEVER, "a metadata service", "Google Cloud"),
    _block("::1/128", Standing.PRIVATE, "the loopback address", "RFC 4291 2.5.3"),
    _block("::/128", Standing.NEVER, "no address", "RFC 4291 2.5.2"),
    _block("::/96", Standing.NEVER, "an IPv4-compatible address", "RFC 4291 2.5.5.1"),  # deprecated, never routed
    _block("64:ff9b:1::/48", Standing.NEVER, "a translator's local address", "RFC 8215"),  # what it holds is its secret
    _block("100::/64", Standing.NEVER, "a discard address", "RFC 6666"),
    _block("fc00::/7", Standing.PRIVATE, "a private address", "RFC 4193"),
    _block("fe80::/10", Standing.NEVER, "a link-local address", "RFC 4291 2.5.6"),
    _block("fec0::/10", Standing.NEVER, "a site-local address", "RFC 3879"),
    _block("ff00::/8", Standing.NEVER, "a multicast address", "RFC 4291 2.7"),
    # Tunnels that carry an IPv4 address, any IPv4 address; both are given up, and no receiver is found there.
    _block("2001::/32", Standing.NEVER, "a Teredo address", "RFC 4380"),
    _block("2002::/16", Standing.NEVER, "a 6to4 address", "RFC 7526"),
    _block("2001:2::/48", Standing.PRIVATE, "an address for benchmarks", "RFC 5180"),
    _block("2001::/23", Standing.NEVER, "reserved for protocols", "RFC 2928"),
    _block("2001:db8::/32", Standing.NEVER, "an address for documentation", "RFC 3849"),
    _block("3fff::/20", Standing.NEVER, "an address for documentation", "RFC 9637"),
    _block("2000::/3", Standing.PUBLIC, "public", "RFC 4291 2.4"),
    _block("::/0", Standing.NEVER, "outside of what is given to hosts", "RFC 4291 2.4"),
)
# These end in an IPv4 address and lead to it: IPv4 behind IPv6 sockets, and the translators of networks without IPv4.
_CARRIERS: Final = (
    ipaddress.IPv6Network("::ffff:0:0/96"),  # RFC 4291 2.5.5.2
    ipaddress.IPv6Network("64:ff9b::/96"),  # RFC 6052 2.1
)


def check_address(address: str, *, allow_private: bool = False) -> None:
    """Nothing, when a socket may be opened to ``address``; otherwise ForbiddenAddress, with a sentence.

    ``allow_private`` lets hosts of one's own networks through (loopback, RFC 1918 and the like), and still nothing
    that is link-local, multicast, reserved, or gives out a machine's credentials. Text that is no address in its usual
    form (``127.1``, ``0x7f.1``, a name) is refused: what a system would make of it is not known here.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        raise ForbiddenAddress(f"{address!r} is not an IP address.") from None
    if "%" in address:  # RFC 4007 11
        raise ForbiddenAddress(f"{address} names an interface of this machine.")
    block = _block_of(ip)
    if block.standing is Standing.PUBLIC or (allow_private and block.standing is Standing.PRIVATE):
        return
    raise ForbiddenAddress(f"{address} is {block.what} ({block.source}), which this server does not connect to.")


def _block_of(ip: Address) -> Block:
    if isinstance(ip, ipaddress.IPv6Address):
        if any(ip in carrier for carrier in _CARRIERS):
            return _block_of(ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF))
        return next(block for block in IPV6 if ip in block.network)
    return next(block for block in IPV4 if ip in block.network)
