"""What a URL must be to be asked. Where it leads is the guard's to judge, when the socket is opened."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from yarl import URL

from legato.events import MAX_URL
from legato.outbound.errors import OutboundError, Reason

# Readers of URLs disagree about these (RFC 3986 has none of them); what one takes for a host is another's path.
_UNFIT: Final = re.compile(r"[\x00-\x20\x7f\\]")
# WHATWG URL 3.5: a host whose last label is a number is an IPv4 address, however it is written: 2130706433, 127.0x1
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?", re.ASCII)


def check_url(text: str) -> URL:
    """The URL that ``text`` is; raises OutboundError (BAD_URL), with what is wrong with it.

    http and https only, with a host, without user and password, of at most MAX_URL characters; an IPv4 address in its
    usual form or none. Any port but 0.
    """
    if len(text) > MAX_URL:
        raise _bad(f"The URL is longer than {MAX_URL} characters.")
    if _UNFIT.search(text):
        raise _bad("The URL has a character that no URL has.")
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise _bad("This is not a URL.") from None
    if url.scheme not in {"http", "https"}:
        raise _bad("The URL must begin with http:// or https://.")
    host = url.raw_host
    if not host:
        raise _bad("The URL has no host.")
    if "@" in re.split(r"[/?#]", text, maxsplit=3)[2]:
        raise _bad("The URL must not have a user or a password in it.")
    if port == 0:
        raise _bad("Port 0 is no port.")
    if "%" in host:  # RFC 6874: fe80::1%25eth0; in a name it hides what the name is
        raise _bad("The URL's host has a % in it.")
    if ":" not in host and _NUMBER.fullmatch(host) and not _is_ipv4(host):
        raise _bad("The URL's host is a number and not an IPv4 address in its usual form.")
    return url


def host_of(text: str) -> str:
    """The host of a URL, for people to read: the rest of it may hold a secret. Empty when it is no URL."""
    try:
        return URL(text).host or ""
    except ValueError:
        return ""


def _is_ipv4(host: str) -> bool:
    try:
        ipaddress.IPv4Address(host)
    except ValueError:
        return False
    return True


def _bad(sentence: str) -> OutboundError:
    return OutboundError(Reason.BAD_URL, sentence)
