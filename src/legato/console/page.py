"""The console as an ASGI application: the page, its files, what it asks for, and the demo's webhook receiver."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

import msgspec

from legato.console.access import DemoAccess, DemoUser, check_reader
from legato.console.assets import Asset, load_assets
from legato.console.deliveries import Deliveries, Posting
from legato.console.feed import HEARTBEAT_S, Feed, sinks_of
from legato.console.receiver import HOOK_PATH, Behaviour, Receiver, read_body
from legato.events import CATALOGUE, EventType, Forbidden, InvalidInput, NotFound, Refusal, Storage
from legato.events.ids import IdSource
from legato.log import Log

T = TypeVar("T")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# Nothing from another host, no inline script or style, no framing, no form.
POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
SECURITY: Final = [
    (b"content-security-policy", POLICY),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]
JSON: Final = (b"content-type", b"application/json")
# What the page posts is a few words.
MAX_BODY: Final = 4_096
# How long a reader may leave what was sent to it unread before its feed is cut.
UNREAD_S: Final = 20.0
# What is posted to; everything else is read.
POSTED: Final = frozenset((HOOK_PATH, "/console/receiver", "/console/again", "/console/resume"))


_LOGGER = logging.getLogger(__name__)


class DemoPerson(DemoUser, frozen=True):
    """A user of the page, with a fresh token."""

    token: str


class Demo(msgspec.Struct, frozen=True):
    """``/console/demo.json``: what the page needs to speak for the demo users."""

    application_id: str
    conversation_id: str
    users: list[DemoPerson]


class TypeEntry(msgspec.Struct, frozen=True):
    """``/console/catalogue.json``, one for each event type."""

    name: str
    summary: str
    sinks: tuple[str, ...]
    is_stored: bool


class OneEvent(msgspec.Struct, frozen=True):
    """An event whose deliveries are asked for, or that is to be sent again."""

    conversation_id: str
    event_id: int


class Switch(msgspec.Struct, frozen=True):
    """How the built-in receiver is to behave."""

    behaviour: Behaviour


class Console:
    """Serves ``/`` and everything below ``/console/``; without ``demo`` it owns no path at all."""

    def __init__(
        self, log: Log, demo: DemoAccess | None, posting: Posting, ids: IdSource, *, signature_secret: str
    ) -> None:
        """``signature_secret`` is the account's: the built-in receiver checks signatures with it."""
        self._demo = demo
        self._log = log
        if demo is None:
            return
        self._receiver = Receiver(log, demo.application_id, signature_secret)
        self._deliveries = Deliveries(
            log, posting, self._receiver, ids, application_id=demo.application_id, hook=demo.hook
        )
        self._feed = Feed(log, self._deliveries)
        self._assets = load_assets()
        self._catalogue = msgspec.json.encode([_type_entry(entry) for entry in CATALOGUE])

    def owns(self, path: str) -> bool:
        """Whether ``path`` is the console's to answer."""
        return self._demo is not None and (path == "/" or path.startswith("/console/"))

    def close(self) -> None:
        """Ends the open feeds. Call it when the server begins to stop: it would wait for them."""
        if self._demo is not None:
            self._feed.end()
            self._receiver.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request for a path that the console owns."""
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if scope["path"] in POSTED:
                await self._take(scope, headers, receive, send)
                return
            if scope["method"] not in {"GET", "HEAD"}:
                await _answer(send, 405, [(b"allow", b"GET, HEAD")])
                return
            asset = self._assets.get(scope["path"])
            if asset is not None:
                await _send_asset(asset, headers, scope["method"], send)
                return
            await self._answer_data(scope, headers, receive, send)
        except Refusal as refusal:
            problem = {"code": refusal.code, "detail": refusal.detail}
            await _answer(send, refusal.status, [JSON], msgspec.json.encode(problem))

    async def _answer_data(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        demo = self._demo
        if demo is None:  # `owns` has said no; tokens are not given out even so
            raise NotFound("http:error:not-found", "There is no console on this server.")
        check_reader(headers, demo.hosts)
        match scope["path"]:
            case "/console/demo.json":
                people = [
                    DemoPerson(user.id, user.name, user.display_name, demo.mint(user.name)) for user in demo.users
                ]
                answer = Demo(demo.application_id, demo.conversation_id, people)
                await _answer(send, 200, [JSON, (b"cache-control", b"no-store")], msgspec.json.encode(answer))
            case "/console/catalogue.json":
                await _answer(send, 200, [JSON, (b"cache-control", b"no-cache")], self._catalogue)
            case "/console/attempts":
                query = parse_qs(scope["query_string"].decode("latin-1"))
                asked = OneEvent(
                    query.get("conversation_id", [""])[0], _position(query.get("event_id", [""])[0], "event_id") or 0
                )
                await self._log.conversation(asked.conversation_id, demo.application_id)  # raises NotFound
                found = await self._deliveries.attempts(asked.conversation_id, asked.event_id)
                await _answer(send, 200, [JSON, (b"cache-control", b"no-store")], msgspec.json.encode(found))
            case "/console/feed":
                await self._stream(demo, scope, headers, receive, send)
            case _:
                raise NotFound("http:error:not-found", "There is nothing at this path.")

    async def _take(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        """A POST: a webhook, which comes from this server and proves it, or what the page asks for."""
        if scope["method"] != "POST":
            await _answer(send, 405, [(b"allow", b"POST")])
            return
        if scope["path"] == HOOK_PATH:
            await self._receiver(scope, receive, send)
            return
        demo = self._demo
        if demo is None:
            raise NotFound("http:error:not-found", "There is no console on this server.")
        check_reader(headers, demo.hosts)
        if headers.get(b"content-type") != b"application/json":
            # A page of another site may post a form without being asked, and this only after a preflight: refused.
            raise Forbidden("The console takes JSON only.")
        body = await read_body(receive, MAX_BODY)
        match scope["path"]:
            case "/console/receiver":
                self._deliveries.behave(_decoded(body, Switch).behaviour)
            case "/console/again":
                sent = _decoded(body, OneEvent)
                await self._log.conversation(sent.conversation_id, demo.application_id)  # raises NotFound
                await self._deliveries.send_again(sent.conversation_id, sent.event_id)
            case _:
                await self._deliveries.resume()
        await _answer(send, 204, [])

    async def _stream(
        self, demo: DemoAccess, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        conversation_id = query.get("conversation_id", [""])[0]
        after = _position(headers.get(b"last-event-id", b"").decode("latin-1") or query.get("after", [""])[0])
        await self._log.conversation(conversation_id, demo.application_id)  # raises NotFound
        reader = self._feed.open(conversation_id)
        place = await self._deliveries.newest()
        watch = asyncio.create_task(_until_gone(receive, reader.cut))
        follower = asyncio.create_task(self._deliveries.follow(conversation_id, place, reader.offer))
        try:
            await send(_start(200, [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]))
            async for chunk in _with_heartbeat(self._feed.messages(reader, after)):
                async with asyncio.timeout(UNREAD_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            _LOGGER.info("A console feed was cut: its reader had stopped reading.")
        finally:
            watch.cancel()
            follower.cancel()
            self._feed.close(reader)


def _type_entry(entry: EventType) -> TypeEntry:
    return TypeEntry(entry.name, entry.summary, sinks_of(entry), entry.storage is Storage.LOG)


def _decoded(body: bytes | None, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"", type=type_)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"The body is not as it should be: {error}.") from error


def _position(text: str, name: str = "after") -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidInput.of(name, "must be the id of an event")
    return int(text)


async def _until_gone(receive: Receive, then: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    then()


async def _with_heartbeat(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``chunks``, with a comment whenever none came for a while."""
    coming = asyncio.ensure_future(anext(chunks))
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=HEARTBEAT_S)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                yield coming.result()
            except StopAsyncIteration:
                return
            coming = asyncio.ensure_future(anext(chunks))
    finally:
        coming.cancel()


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> MutableMapping[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": [*SECURITY, *headers]}


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], content: bytes = b"") -> None:
    await send(_start(status, [*headers, (b"content-length", b"%d" % len(content))]))
    await send({"type": "http.response.body", "body": content})


async def _send_asset(asset: Asset, headers: dict[bytes, bytes], method: str, send: Send) -> None:
    kept = [(b"etag", asset.etag), (b"cache-control", b"no-cache")]  # asked for again each time, sent when changed
    if asset.etag in headers.get(b"if-none-match", b""):
        await send(_start(304, kept))
        await send({"type": "http.response.body", "body": b""})
        return
    # To a HEAD the server sends the fields of this answer and leaves the content away.
    await _answer(send, 200, [*kept, (b"content-type", asset.media_type)], asset.content)
