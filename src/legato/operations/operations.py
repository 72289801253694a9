"""The paths of whoever runs the server, as an ASGI application.

::

    GET /health/live      200
    GET /health/ready     200, or 503 {"status": "not ready", "not_ready": {"database": "did not answer within 2 s"}}
    GET /metrics          text for Prometheus: to this machine only, or to whoever has `metrics_token`

They are no part of the REST API: no generation, no account, no CORS.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from hmac import compare_digest
from typing import Any, Final

import msgspec

from legato.auth import bearer
from legato.operations.health import Health
from legato.operations.metrics import CONTENT_TYPE, Metrics

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PATHS: Final = frozenset(("/health/live", "/health/ready", "/metrics"))

_JSON: Final = b"application/json"
_TEXT: Final = b"text/plain; charset=utf-8"
_LIVE: Final = msgspec.json.encode({"status": "live"})
_READY: Final = msgspec.json.encode({"status": "ready"})
_LOCAL_ONLY: Final = (
    b"Metrics are told to this machine only, and not through a proxy. To read them from elsewhere, set metrics_token "
    b"(LEGATO_METRICS_TOKEN) and send it as `Authorization: Bearer <metrics_token>`.\n"
)
_WRONG_TOKEN: Final = b"Send the setting metrics_token as `Authorization: Bearer <metrics_token>`.\n"
# What proxies add. Whoever comes through one is somewhere else, even if the proxy is here.
_FORWARDED: Final = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")


class Operations:
    """Answers ``PATHS``. Without ``metrics_token``, metrics are for this machine only."""

    def __init__(self, health: Health, metrics: Metrics, metrics_token: str | None = None) -> None:
        self._health = health
        self._metrics = metrics
        self._token = None if metrics_token is None else metrics_token.encode()

    @staticmethod
    def owns(path: str) -> bool:
        """Whether ``path`` is answered here."""
        return path in PATHS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request for a path that is owned."""
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, _TEXT, b"GET or HEAD.\n", (b"allow", b"GET, HEAD"))
        elif scope["path"] == "/health/live":
            await _answer(send, 200, _JSON, _LIVE)
        elif scope["path"] == "/health/ready":
            await self._ready(send)
        else:
            await self._tell_metrics(scope, send)

    async def _ready(self, send: Send) -> None:
        not_ready = await self._health.not_ready()
        if not_ready:
            await _answer(send, 503, _JSON, msgspec.json.encode({"status": "not ready", "not_ready": not_ready}))
        else:
            await _answer(send, 200, _JSON, _READY)

    async def _tell_metrics(self, scope: Scope, send: Send) -> None:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        if self._token is None:
            if not is_of_this_machine(scope.get("client"), headers):
                await _answer(send, 403, _TEXT, _LOCAL_ONLY)
                return
        elif not self._is_token(headers.get(b"authorization"), self._token):
            await _answer(send, 401, _TEXT, _WRONG_TOKEN, (b"www-authenticate", b"Bearer"))
            return
        await _answer(send, 200, CONTENT_TYPE, await self._metrics.text())

    @staticmethod
    def _is_token(authorization: bytes | None, token: bytes) -> bool:
        given = None if authorization is None else bearer(authorization.decode("latin-1"))
        return given is not None and compare_digest(given.encode("latin-1"), token)


def is_of_this_machine(client: tuple[str, int] | None, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request comes from a loopback address, and not from a proxy there that says so."""
    if client is None or any(name in headers for name in _FORWARDED):
        return False
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # an IPv4 peer of a server that listens on `::`
    return bool((mapped or address).is_loopback)


async def _answer(send: Send, status: int, kind: bytes, content: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", kind),
        (b"content-length", b"%d" % len(content)),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
