"""How large what callers hang onto users and conversations may become, and the refusal of more."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from legato.events.refusal import InvalidInput

# Conversation API documentation.
MAX_CONVERSATION_NAME: Final = 100
# A user's custom data is part of every event the user makes.
MAX_USER_DATA: Final = 4_096
# A conversation's properties are part of every `conversation:updated`.
MAX_CONVERSATION_DATA: Final = 16_384


def bounded(value: Any, bound: int) -> None:
    """Raises InvalidInput (``custom-data:error:max-data-sum-limit-exceeded``) over ``bound`` bytes of JSON."""
    if value is not None and len(msgspec.json.encode(value)) > bound:
        raise InvalidInput(
            f"Custom data must be at most {bound} bytes of JSON.",
            code="custom-data:error:max-data-sum-limit-exceeded",
        )
