"""Users: who can be invited, join and speak."""

from __future__ import annotations

from typing import Final

import msgspec

from legato.events.envelope import JsonObject, Person
from legato.events.refusal import NotFound

# Conversation API documentation.
MAX_NAME: Final = 200
MAX_DISPLAY_NAME: Final = 50


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user of an application; the name is unique in it. Times are seconds since 1970 UTC.

    ``properties`` holds ``custom_data`` and ``ttl``; ``channels`` lists endpoints by kind (``pstn``, ``sip`` …).
    """

    id: str
    application_id: str
    name: str
    created_at: float
    display_name: str | None = None
    image_url: str | None = None
    properties: JsonObject = {}
    channels: JsonObject = {}
    updated_at: float | None = None

    @property
    def person(self) -> Person:
        """What an event remembers of the user."""
        return Person(
            id=self.id,
            name=self.name,
            display_name=self.display_name,
            image_url=self.image_url,
            custom_data=self.properties.get("custom_data") or None,
        )


def no_such_user() -> NotFound:
    """The answer for a user who is absent, deleted or another application's: from outside they look the same."""
    return NotFound("user:error:not-found", "The user does not exist, or you do not have access to it.")
