"""``image``: a picture in three sizes, as the image service hands it out, with its receipts."""

from __future__ import annotations

from typing import Final

import msgspec

from legato.events.catalogue import CALLERS, Effect, EventType
from legato.events.receipt import receipt
from legato.events.shapes import Id, Url


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
        creators=CALLERS,
        acknowledged=True,
        wakes=True,
    ),
    receipt("image:delivered", "A picture has reached a member's client.", Effect.DELIVERED),
    receipt("image:seen", "A member has seen a picture.", Effect.SEEN),
)
