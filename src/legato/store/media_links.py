"""Where media is found: its URL, and the signed one that opens without a token for a while.

::

    https://chat.example/v3/media/<uuid>                                    needs the application's token
    https://chat.example/v3/media/<uuid>?expires=1790000000&signature=…     opens until that second

A link is signed for the application that shows it, and opens that application's media only: whoever names another's
file in an event of their own gets a link that opens nothing.

The URL must not contain ``image``: `nexmo-client` takes any such URL for an upload.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import Final

# A client shows what it fetched with the history until it fetches it again: a working day. The end is rounded up, so
# that one picture has one URL for a while, which browsers can cache and a frame for many readers can hold.
LIFETIME: Final = 12 * 3600  # seconds
ROUNDING: Final = 3600

_PATH = "/v3/media/"
_OWN = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:[?#].*)?\Z")


class MediaLinks:
    """URLs of this installation's media, signed with ``key``. ``public_url`` has no trailing slash."""

    def __init__(self, public_url: str, key: bytes) -> None:
        self._base = public_url.rstrip("/") + _PATH
        self._key = key

    def url(self, media_id: str) -> str:
        """The URL that asks for a token."""
        return self._base + media_id

    @property
    def list_url(self) -> str:
        """The URL of the list of files."""
        return self._base.rstrip("/")

    def media_id(self, url: str) -> str | None:
        """Which media a URL of ours names, signed or not; None for every other URL."""
        own = _OWN.match(url, len(self._base)) if url.startswith(self._base) else None
        return own[1] if own else None

    def is_own_media_url(self, url: str) -> bool:
        """Whether the URL leads to media kept here."""
        return self.media_id(url) is not None

    def sign_media_url(self, url: str, application_id: str, now: float) -> str:
        """A URL of ours so that it opens without a token for 12 to 13 hours, if the file is that application's.

        Any other URL as it is.
        """
        media_id = self.media_id(url)
        if media_id is None:
            return url
        expires = (int(now) // ROUNDING + 1) * ROUNDING + LIFETIME
        return (
            f"{self._base}{media_id}?expires={expires}&signature={self._signature(media_id, application_id, expires)}"
        )

    def opens(self, media_id: str, application_id: str, expires: int, signature: str, now: float) -> bool:
        """Whether that signature was made here for that media, that application and that time, which is not over."""
        expected = self._signature(media_id, application_id, expires).encode()
        return hmac.compare_digest(expected, signature.encode()) and now < expires

    def _signature(self, media_id: str, application_id: str, expires: int) -> str:
        signed = f"GET {_PATH}{media_id} {application_id} {expires}"
        digest = hmac.digest(self._key, signed.encode(), hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
