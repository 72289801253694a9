"""What clients ask about the server itself: where it is, whether it is there, and where they tell how it went."""

from __future__ import annotations

from typing import Final

import msgspec

from legato.api.contract import Answer, Auth, Generation, Raw, Reply, Request, route
from legato.api.render.shapes import Empty
from legato.api.settings import ApiSettings

TAG = "discovery"
MAX_METRICS: Final = 64 * 1024  # bytes: a client reports a handful of numbers


class Place(msgspec.Struct, frozen=True):
    """The server's addresses: of the API, of something to fetch over https, and of the socket."""

    endpoint: str
    https: str
    ws: str


class MediaServer(msgspec.Struct, frozen=True):
    """A STUN server."""

    ip: str
    port: int


class Discovery:
    """Handlers that look at nothing but the settings."""

    def __init__(self, settings: ApiSettings) -> None:
        self._settings = settings

    @route(
        "GET",
        "/ping",
        "Tell whether the API is there",
        tag=TAG,
        generations=tuple(Generation),
        auth=Auth.NONE,
        replies=(Answer(200, Empty),),
    )
    async def ping(self, request: Request[None, None]) -> Reply[Empty]:
        """It is."""
        return Reply(200, Empty())

    @route(
        "GET",
        "/discovery/api",
        "List the places the API is served from",
        tag=TAG,
        auth=Auth.NONE,
        replies=(Answer(200, dict[str, Place]),),
    )
    async def list_places(self, request: Request[None, None]) -> Reply[dict[str, Place]]:
        """One place: this server, under the name of its region."""
        base = self._settings.public_url.rstrip("/")
        # nexmo-client counts a place as reachable only if the URL it fetches there says `ping`.
        place = Place(base, f"{base}/v0.3/ping", self._settings.socket_url or base)
        return Reply(200, {self._settings.region: place})

    @route(
        "GET",
        "/discovery/media/{data_centre}",
        "List the STUN servers of a place",
        tag=TAG,
        auth=Auth.NONE,
        replies=(Answer(200, list[MediaServer]),),
    )
    async def list_media(self, request: Request[None, None]) -> Reply[list[MediaServer]]:
        """None: clients reach this server without one."""
        return Reply(200, [])

    @route(
        "POST",
        "/rtc/metrics",
        "Tell how a client's connection went",
        tag=TAG,
        generations=(Generation.V2,),
        auth=Auth.NONE,
        body=Raw,
        accepts=("application/json", "text/plain"),
        max_body=MAX_METRICS,
        replies=(Answer(200, Empty),),
    )
    async def take_metrics(self, request: Request[None, None]) -> Reply[Empty]:
        """Accepted and not kept. No token is asked for: clients send it on whatever token they had."""
        return Reply(200, Empty())
