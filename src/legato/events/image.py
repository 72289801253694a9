"""``image``: a picture in three sizes, as the image service hands it out, with its receipts."""

from __future__ import annotations

from typing import Final

import msgspec

from legato.events.catalogue import Creator, Effect, EventType
from legato.events.shapes import Id, Reference, Url, event_id_as_number


class Representation(msgspec.Struct):
    """One size of a picture: where it is, its media type and its bytes."""

    url: Url
    id: Id | None = None
    type: str | None = None
    size: int | None = None


class Representations(msgspec.Struct):
    """The three sizes, verbatim from the answer of the image service."""

    original: Representation
    medium: Representation
    thumbnail: Representation
    id: Id | None = None


class ImageBody(msgspec.Struct):
    """A picture."""

    representations: Representations


_CALLERS = Creator.USER | Creator.ADMIN
_BASE = "https://api.example/v3/media/"

IMAGE: Final = (
    EventType(
        "image",
        ImageBody,
        "A member posted a picture that it had uploaded to the image service.",
        {
            "representations": {
                "id": "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a001",
                "original": {
                    "id": "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a002",
                    "url": _BASE + "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a002",
                    "type": "image/png",
                    "size": 182_400,
                },
                "medium": {
                    "id": "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a003",
                    "url": _BASE + "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a003",
                    "type": "image/png",
                    "size": 61_200,
                },
                "thumbnail": {
                    "id": "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a004",
                    "url": _BASE + "0b6c2f5e-52c1-4c84-8f55-2f1de3b0a004",
                    "type": "image/png",
                    "size": 18_900,
                },
            }
        },
        creators=_CALLERS,
        acknowledged=True,
        wakes=True,
    ),
    EventType(
        "image:delivered",
        Reference,
        "A picture has reached a member's client.",
        {"event_id": 14},
        creators=_CALLERS,
        effect=Effect.DELIVERED,
        adapt=event_id_as_number("event_id"),
    ),
    EventType(
        "image:seen",
        Reference,
        "A member has seen a picture.",
        {"event_id": 14},
        creators=_CALLERS,
        effect=Effect.SEEN,
        adapt=event_id_as_number("event_id"),
    ),
)
