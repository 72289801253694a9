"""Events: posted by members and the application, read back in pages, blanked by their authors."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, field
from sqlalchemy import Connection

from legato.api.bodies import MAX_PARAMS, NewEvent
from legato.api.contract import Generation, Reply, Request, route
from legato.api.finding import Finder
from legato.api.history import EventWindow, read_history
from legato.api.idempotency import key_of
from legato.api.paging import PageQuery, Turn
from legato.api.render.views import EventView
from legato.api.services import Services
from legato.conversations import Conversation, DeleteEvent, PostEvent
from legato.conversations.bounds import bounded
from legato.conversations.posting import creatable
from legato.dialects import Dialect, for_history, history_filter
from legato.events import MAX_EVENT_ID
from legato.events.refusal import InvalidInput, NotFound
from legato.store.events import read_event, read_states
from legato.store.paging import Slice

TAG = "events"
MAX_TYPES: Final = 5  # Conversation Service OpenAPI: items of `event_type`
EventId = Annotated[int, Meta(ge=0, le=MAX_EVENT_ID)]


class EventQuery(PageQuery, frozen=True, kw_only=True, omit_defaults=True):
    """Filters of a conversation's events; ``start_id`` and ``end_id`` are inclusive."""

    start_id: EventId | None = None
    end_id: EventId | None = None
    event_type: Annotated[str, Meta(max_length=1_000)] | None = None
    exclude_deleted_events: bool = False
    filter_group_type: Literal["ChatEvents"] | None = None
    filter_group_version: str | None = None

    @property
    def is_range(self) -> bool:
        """Whether the caller fills a gap: it knows both ends, and reads no further page."""
        return None not in (self.start_id, self.end_id) and self.page_size is None and self.cursor is None


class DialectQuery(msgspec.Struct, frozen=True, kw_only=True):
    """In whose words an event is told."""

    filter_group_type: Literal["ChatEvents"] | None = None


class DeleteQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The member on whose behalf an event is deleted."""

    from_: str | None = field(name="from", default=None)


class Events:
    """Handlers of ``/conversations/{conversation_id}/events``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = services.log
        self._find = Finder(services)

    @route(
        "POST",
        "/conversations/{conversation_id}/events",
        "Post an event",
        tag=TAG,
        body=NewEvent,
        answer="event_made",
        creates=True,
        codes=(
            "conversation:error:not-found",
            "event:error:not-joined",
            "event:error:permission-denied",
            "event:error:unknown-event",
            "event:error:not-found",
        ),
    )
    async def post_event(self, request: Request[NewEvent, None]) -> Reply[Any]:
        """The event as it stands in the log; types that are not kept have no id.

        A receipt that stands already is answered like the first and appends nothing.
        """
        asked = request.body
        if asked.params:
            bounded(asked.params, MAX_PARAMS)
        conversation_id = request.params["conversation_id"]
        if not conversation_id.startswith("CON-"):
            conversation_id = await self._find.conversation_id(conversation_id)
        by = request.principal.caller(asked.originating_session)
        receipt = await self._log.submit(
            PostEvent(
                conversation_id=conversation_id,
                by=by,
                type=asked.type,
                body=creatable(asked.type, by).validate(asked.body),
                from_=asked.from_,
                to=asked.to,
                params=asked.params,
                dialect=_maker(request),
            ),
            key=key_of(request),
        )
        event = receipt.event
        assert event is not None  # noqa: S101 - posting always tells of one
        item = for_history(None, event) or {}
        if event.id is None:
            del item["id"]
        return request.render.event_made(request.base, EventView(conversation_id, event.id, item))

    @route(
        "GET",
        "/conversations/{conversation_id}/events",
        "List a conversation's events",
        tag=TAG,
        query=EventQuery,
        answer="events",
        codes=("conversation:error:not-found", "event:error:not-joined"),
    )
    async def list_events(self, request: Request[None, EventQuery]) -> Reply[Any]:
        """Events by id; a page ends early when its events are large (about a megabyte in all).

        A range without a page size comes whole and ascending, up to 1,000 events. What is beyond is at `next`, or after
        the last event that came.
        """
        principal, query = request.principal, request.query
        conversation = await self._find.conversation(principal, request.params["conversation_id"])
        until = await self._find.readable_until(conversation, principal)
        whole = query.is_range or request.generation is Generation.V0_1
        turn = Turn.of(request, whole=whole, key=lambda _query: (int,))
        query = turn.query
        dialect = _dialect(query.filter_group_type)
        wanted = history_filter(dialect)
        if query.event_type is not None:
            wanted = wanted.narrowed(_types(query.event_type))
        window = EventWindow(turn.window, query.start_id, _least(query.end_id, until), query.exclude_deleted_events)
        manner = self._services.manner(principal.application_id)

        def read(connection: Connection) -> Slice[EventView]:
            found = read_history(connection, conversation.id, window, wanted)
            states = read_states(connection, conversation.id, [stored.event.id or 0 for stored in found.items])
            views = [
                EventView(conversation.id, stored.event.id, item)
                for stored in found.items
                if (item := for_history(dialect, stored.event, states.get(stored.event.id or 0), manner=manner))
            ]
            return Slice(views, found.keys, found.has_before, found.has_after)

        page = turn.page(request, await self._log.read(read))
        return request.render.events(request.base, page, request.user_agent)

    @route(
        "GET",
        "/conversations/{conversation_id}/events/{event_id}",
        "Get an event",
        tag=TAG,
        query=DialectQuery,
        answer="event",
        codes=("conversation:error:not-found", "event:error:not-found", "event:error:not-joined"),
    )
    async def get_event(self, request: Request[None, DialectQuery]) -> Reply[Any]:
        """An event with its receipts."""
        principal = request.principal
        conversation = await self._find.conversation(principal, request.params["conversation_id"])
        event_id = _event_id(request.params["event_id"])
        until = await self._find.readable_until(conversation, principal)
        if until is not None and event_id > until:
            raise no_such_event()
        dialect = _dialect(request.query.filter_group_type)
        item = await self._item(conversation, event_id, dialect)
        return request.render.event(request.base, EventView(conversation.id, event_id, item))

    @route(
        "DELETE",
        "/conversations/{conversation_id}/events/{event_id}",
        "Blank an event",
        tag=TAG,
        query=DeleteQuery,
        answer="event_deleted",
        codes=(
            "conversation:error:not-found",
            "event:error:not-found",
            "event:error:not-joined",
            "event:error:permission-denied",
        ),
    )
    async def delete_event(self, request: Request[None, DeleteQuery]) -> Reply[Any]:
        """The event keeps its place and loses its content; an ``event:delete`` says so."""
        conversation_id = await self._find.conversation_id(request.params["conversation_id"])
        await self._log.submit(
            DeleteEvent(
                conversation_id=conversation_id,
                by=request.principal.caller(),
                event_id=_event_id(request.params["event_id"]),
                from_=request.query.from_,
            )
        )
        return request.render.event_deleted()

    async def _item(self, conversation: Conversation, event_id: int, dialect: Dialect | None) -> dict[str, Any]:
        manner = self._services.manner(conversation.application_id)

        def read(connection: Connection) -> dict[str, Any] | None:
            stored = read_event(connection, conversation.id, event_id)
            if stored is None:
                return None
            states = read_states(connection, conversation.id, [event_id])
            return for_history(dialect, stored.event, states.get(event_id), manner=manner)

        item = await self._log.read(read)
        if item is None:
            raise no_such_event()
        return item


def no_such_event() -> NotFound:
    """No such event in the conversation, or not in the caller's words."""
    return NotFound("event:error:not-found", "The event does not exist in this conversation.")


def _maker(request: Request[NewEvent, None]) -> Literal["chat"] | None:
    """The generation of the client that posts: `@vonage/client-sdk` names no session with what a user writes, while
    nexmo-client names one with whatever it posts."""
    return "chat" if request.principal.user is not None and request.body.originating_session is None else None


def _dialect(filter_group: str | None) -> Dialect | None:
    return Dialect.CHAT if filter_group is not None else None


def _event_id(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > MAX_EVENT_ID:
        raise no_such_event()
    return int(text)


def _types(event_type: str) -> list[str]:
    types = [each.strip() for each in event_type.split(",") if each.strip()]
    if not types or len(types) > MAX_TYPES:
        raise InvalidInput.of("event_type", f"must contain 1 to {MAX_TYPES} items")
    return types


def _least(asked: int | None, readable: int | None) -> int | None:
    return min((bound for bound in (asked, readable) if bound is not None), default=None)
