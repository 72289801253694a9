"""What a client says of itself in the query of its first request.

The first connection names the SDK and its ``session_version``; every later one of the same session carries a token and
``session_id`` only, and what the first one said is remembered with the session. Source: the wire documents of
``nexmo-client`` 9.5 and ``@vonage/client-sdk`` 2.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec

# A token of 12 kB is the longest that is accepted anywhere; the rest of the query is small.
MAX_QUERY: Final = 16 * 1024
MAX_FIELDS: Final = 32
# SDK names, versions and browser agents are remembered with the session, cut to this.
MAX_REMEMBERED: Final = 200

CHAT_SDK: Final = "@vonage/client-sdk"


class Handshake(msgspec.Struct, frozen=True):
    """The query, read. Empty where the client said nothing."""

    token: str = ""
    session_id: str = ""
    session_version: str = ""
    sdk_name: str = ""
    sdk_version: str = ""
    os_family: str = ""
    os_revision: str = ""
    acknowledges: bool = False

    @property
    def is_chat(self) -> bool:
        """Whether this is the newer of the two generations of clients."""
        return self.sdk_name == CHAT_SDK

    @property
    def properties(self) -> dict[str, str]:
        """What is remembered with the session, beside the dialect and ``session_version``."""
        said = {
            "sdk_name": self.sdk_name,
            "sdk_version": self.sdk_version,
            "os_family": self.os_family,
            "os_revision": self.os_revision,
        }
        return {name: value for name, value in said.items() if value}


def query_of(text: str) -> dict[str, str]:
    """A query string as a mapping; of a repeated name the last counts.

    Empty when it is longer than a client's is, or has the character NUL: no client has, and PostgreSQL keeps none.
    """
    if len(text) > MAX_QUERY or "%00" in text or "\0" in text:
        return {}
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:  # too many fields
        return {}


def handshake_of(query: Mapping[str, str]) -> Handshake:
    """The handshake in a query."""

    def said(name: str) -> str:
        return query.get(name, "")[:MAX_REMEMBERED]

    return Handshake(
        token=query.get("token", ""),
        session_id=said("session_id"),
        session_version=said("session_version"),
        sdk_name=said("SDK_name"),
        sdk_version=said("SDK_version"),
        os_family=said("OS_family"),
        os_revision=said("OS_revision"),
        acknowledges=query.get("acknowledge_events") == "true",
    )
