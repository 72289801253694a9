"""The page of ``legato dev`` and its feed: two people in one conversation, and the conversation's log beside them.

It hands out tokens, so nothing but ``legato dev`` mounts it.
"""

from __future__ import annotations

from legato.console.access import DemoAccess, DemoUser
from legato.console.page import Console

__all__ = ["Console", "DemoAccess", "DemoUser"]
