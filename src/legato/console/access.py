"""Who may see the console: the browser of whoever started ``legato dev``, and no page of another site."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from legato.events.refusal import Forbidden


class DemoUser(msgspec.Struct, frozen=True):
    """One of the two people on the page."""

    id: str
    name: str
    display_name: str


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """What ``legato dev`` set up, and the right to speak for it.

    ``mint`` makes a fresh user token for a name. ``hosts`` are names the page may be asked under, besides localhost
    and plain addresses. ``hook`` is the URL of the built-in receiver, as this server itself reaches it.
    """

    application_id: str
    conversation_id: str
    users: tuple[DemoUser, ...]
    mint: Callable[[str], str]
    hosts: frozenset[str] = frozenset()
    hook: str = ""


def check_reader(headers: Mapping[bytes, bytes], hosts: frozenset[str]) -> None:
    """Raises Forbidden unless the request comes from the console's own page, or from no page at all.

    Two doors have to be shut, because a developer's browser also shows other sites. A site that reads this server
    directly is told apart by ``Sec-Fetch-Site`` (W3C Fetch Metadata), and gets no CORS header where a browser does not
    send that. A site that points a name of its own at this machine (DNS rebinding) is same-origin for the browser, but
    arrives with that name in ``Host``: names have to be known; an address cannot be rebound.
    """
    if headers.get(b"sec-fetch-site", b"none") not in {b"none", b"same-origin"}:
        raise Forbidden("The console answers its own page only.")
    host = _name_of(headers.get(b"host", b"").decode("latin-1"))
    if host not in hosts and not _is_local(host):
        raise Forbidden(f"The console is not served under the name {host!r}.")


def _name_of(host: str) -> str:
    """The name or address in a ``Host`` field (RFC 9110 7.2), without port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_local(name: str) -> bool:
    if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 6.3: never resolved elsewhere
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
