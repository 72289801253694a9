"""The REST API as an ASGI application: find, authorise, limit, decode, handle, answer. CORS is on every answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from legato import tracing
from legato.api import request_id
from legato.api.admission import Admission
from legato.api.body import ClientGone, Receive, read_body, read_chunks
from legato.api.contract import PREFIXES, Live, Reply, Request, Route
from legato.api.decode import fields_of
from legato.api.errors import UnsupportedMediaType, failed, refused
from legato.api.live import send_live
from legato.api.router import Bound, Router, generation_of
from legato.api.settings import ApiSettings
from legato.api.tally import Tally
from legato.auth import Principal
from legato.events.refusal import Forbidden, Refusal

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ALLOW_ORIGIN: Final = (b"access-control-allow-origin", b"*")
EXPOSE: Final = (b"access-control-expose-headers", b"Retry-After, Location, X-Request-Id")
# A day is the most that any browser keeps; Chromium cuts it to two hours.
PREFLIGHT: Final = [
    ALLOW_ORIGIN,
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Request-Id"),
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-max-age", b"86400"),
]

# Under which the route stands in a request's ASGI scope, when it is traced.
_ROUTE: Final = "legato.route"

encode: Final = msgspec.json.Encoder().encode


class Api:
    """An ASGI application for every path under ``PREFIXES`` except the Socket.IO endpoint itself.

    ``rooms`` are instances of handler classes. ``routes`` lists what they declare, for OpenAPI. ``tally`` counts what
    was answered.
    """

    def __init__(self, rooms: Sequence[object], admission: Admission, settings: ApiSettings) -> None:
        self._router = Router(rooms)
        self._admission = admission
        self._settings = settings
        self.tally = Tally()
        self._public_url = settings.public_url.rstrip("/")

    @property
    def routes(self) -> Sequence[Route]:
        """Every declared route."""
        return self._router.routes

    @staticmethod
    def owns(path: str) -> bool:
        """Whether ``path`` is the API's to answer: a generation's prefix, less the Socket.IO endpoint ``/v2/rtc/``."""
        if path.startswith("/v2/rtc"):
            return path.rstrip("/") == "/v2/rtc/metrics"
        return path.startswith("/") and path.split("/", 2)[1] in PREFIXES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request."""
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": PREFLIGHT})
            await send({"type": "http.response.body", "body": b""})
            return
        request_id.begin(scope)
        tracer = tracing.tracer
        if tracer is None:
            await self._serve(scope, receive, send)
            return
        with tracer.request(scope["method"], scope["headers"]) as span:
            status = await self._serve(scope, receive, send)
            span.tell(
                method=scope["method"],
                http_route=scope.get(_ROUTE, "none"),
                http_response_status_code=status,
                legato_request_id=request_id.current() or "",
            )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answers it; with which status, 0 when its caller has gone."""
        path: str = scope["path"]
        begun = perf_counter()
        try:
            reply = await self._answer(scope, path, receive)
        except Refusal as refusal:
            reply = refused(refusal, generation_of(path))
        except ClientGone:
            return 0
        except Exception as error:  # the outermost layer: logged there, answered as a 500
            reply = failed(error, generation_of(path))
        self.tally.add(path, reply.status, perf_counter() - begun)
        await _send(reply, receive, send)
        return reply.status

    async def _answer(self, scope: Scope, path: str, receive: Receive) -> Reply[Any]:
        method: str = scope["method"]
        encoded = _encoded(scope, path)
        bound, prefix, params = self._router.find(method, encoded)
        route = bound.route
        if tracing.tracer is not None:
            scope[_ROUTE] = f"/{prefix}{route.path}"
        headers = dict(scope["headers"])
        query_string: bytes = scope["query_string"]
        client = scope.get("client")
        principal = await self._admission.admit(route, headers, query_string, client[0] if client else None)
        # A list with filters grants by the values of query and body, so what it says is known once they are read.
        reached = _reached(encoded)
        allowed = principal is None or principal.allows(method, reached)
        query = bound.query(query_string) if bound.query is not None else None
        body, raw = None, b""
        most = route.max_body or self._settings.max_body
        if route.streamed:
            _check_type(bound, headers)
        elif route.body is not None:
            raw = await read_body(receive, headers, most)
            if principal is not None:
                await self._admission.confirm(principal, headers)
            if raw:
                _check_type(bound, headers)
        if (
            not allowed
            and principal is not None
            and not principal.allows(method, reached, fields_of(method, query_string, raw))
        ):
            raise Forbidden("The token's acl does not allow this request.")
        if bound.decode is not None:
            body = bound.decode(raw)
        return await bound.handler(
            Request(
                method=method,
                path=path,
                base=f"{self._public_url}/{prefix}",
                generation=bound.generation,
                params=params,
                headers=headers,
                principal=principal,
                query=query,
                body=body,
                raw=raw,
                render=bound.render,
                chunks=partial(self._chunks, receive, headers, most, principal),
            )
        )

    async def _chunks(
        self, receive: Receive, headers: dict[bytes, bytes], most: int, principal: Principal | None
    ) -> AsyncIterator[bytes]:
        """A streamed body, and once it is whole, whether its sender's token still stands."""
        async for chunk in read_chunks(receive, headers, most):
            yield chunk
        if principal is not None:
            await self._admission.confirm(principal, headers)


def _encoded(scope: Scope, path: str) -> str:
    """The path with its escapes, when it has any: a user's name may hold a slash."""
    raw: bytes | None = scope.get("raw_path")
    return raw.split(b"?", 1)[0].decode("latin-1") if raw and b"%" in raw else path


def _reached(encoded: str) -> str:
    """The path as access lists see it: decoded, but for a slash inside a segment, which begins no new one there."""
    if "%" not in encoded:
        return encoded
    return "/".join(unquote(segment).replace("/", "%2F") for segment in encoded.split("/"))


async def _send(reply: Reply[Any], receive: Receive, send: Send) -> None:
    body = reply.body
    if isinstance(body, AsyncIterator):
        await _stream(reply, body, send)
        return
    if isinstance(body, Live):
        await send_live(_head(reply), body.chunks, receive, send)
        return
    content = b"" if body is None else body if isinstance(body, bytes) else encode(body)
    headers = [ALLOW_ORIGIN, EXPOSE]
    if reply.status not in (204, 304):  # RFC 9110 8.6: neither has a length of its own
        headers += ((b"content-type", reply.media_type), (b"content-length", b"%d" % len(content)))
    if reply.headers:
        headers += reply.headers
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _stream(reply: Reply[Any], chunks: AsyncIterator[bytes], send: Send) -> None:
    await send(_head(reply))
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _head(reply: Reply[Any]) -> MutableMapping[str, Any]:
    """The beginning of an answer whose length nobody knows yet."""
    headers = [ALLOW_ORIGIN, EXPOSE, (b"content-type", reply.media_type), *reply.headers]
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


def _check_type(bound: Bound, headers: dict[bytes, bytes]) -> None:
    declared = headers.get(b"content-type")
    # A body without a type is taken for what the route reads (RFC 9110 8.3 leaves it to the recipient).
    if declared is not None and declared.split(b";", 1)[0].strip().lower() not in bound.accepts:
        raise UnsupportedMediaType(bound.route.accepts)
