"""Which headers a caller may send along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from legato.outbound.errors import OutboundError, Reason

# Whom a request is for, where it ends and what becomes of its connection is not for a caller to say (RFC 9110 7.6.1).
_OURS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2: token
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*")  # RFC 9110 5.5: no control characters


def check_headers(headers: Mapping[str, str]) -> None:
    """Nothing, when these can be sent; otherwise OutboundError (BAD_HEADER), which names the header."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise OutboundError(Reason.BAD_HEADER, f"{name!r} is not the name of a header.")
        if name.lower() in _OURS:
            raise OutboundError(Reason.BAD_HEADER, f"The header {name} is set by the server.")
        if not _VALUE.fullmatch(value):
            raise OutboundError(Reason.BAD_HEADER, f"The header {name} has a character that no header has.")
