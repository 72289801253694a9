"""Identifiers, in the platform's spelling."""

from __future__ import annotations

import os
import re
from typing import Protocol


class IdSource(Protocol):
    """Where identifiers come from; domain rooms never make their own."""

    def uuid(self) -> str:
        """A version 4 UUID in its 36-character form."""
        ...


class RandomIds:
    """Identifiers from the system's random source."""

    def uuid(self) -> str:
        """A version 4 UUID in its 36-character form (RFC 9562 5.4)."""
        digits = os.urandom(16).hex()
        variant = "89ab"[int(digits[16], 16) & 3]
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


def is_uuid(text: str) -> bool:
    """Whether ``text`` is a UUID as this server spells one: 36 characters, lower case."""
    return _UUID.match(text) is not None


# The Java SDK checks the prefix and 36 characters of UUID, so nothing else is ever minted.
_PREFIXED = re.compile(r"(CON|MEM|USR|SES)-[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")


def is_id(text: str, prefix: str) -> bool:
    """Whether ``text`` is an identifier of that kind: ``CON``, ``MEM``, ``USR`` or ``SES``."""
    return text.startswith(prefix) and _PREFIXED.match(text) is not None
