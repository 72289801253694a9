"""The page of ``legato dev`` and its feed: two people in one conversation, and the conversation's log beside them.

Its webhooks go to a receiver that is built in, and the log shows how they fare.

It hands out tokens, so nothing but ``legato dev`` mounts it.
"""

from __future__ import annotations

from legato.console.access import DemoAccess, DemoUser
from legato.console.page import Console
from legato.console.receiver import HOOK_PATH

__all__ = ["HOOK_PATH", "Console", "DemoAccess", "DemoUser"]
