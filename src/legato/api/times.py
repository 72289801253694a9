"""Moments in query strings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from legato.events.moment import parse_iso
from legato.events.refusal import InvalidInput

Moment = Annotated[str, Meta(max_length=40, description="ISO 8601")]


def moment(text: str | None, name: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 text, None for None. Raises InvalidInput naming the field.

    The space that a ``+`` of a zone becomes when nobody escapes it is read as the ``+`` it was.
    """
    if text is None:
        return None
    try:
        return parse_iso(text.strip().replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput.of(name, "must be a valid ISO 8601 date") from error
