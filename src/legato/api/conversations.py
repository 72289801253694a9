"""Conversations: made by anyone with a token, listed by the application, changed from inside."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta

from legato.api.bodies import ConversationFields, StrictConversationFields, changed_conversation
from legato.api.contract import CONVERSATIONAL, NEW, OLD, Generation, Reply, Request, route
from legato.api.finding import Finder
from legato.api.idempotency import key_of
from legato.api.paging import MAX_WHOLE, Page, PageQuery, Turn
from legato.api.render.views import ConversationView, MemberView
from legato.api.services import Services
from legato.api.times import Moment, moment
from legato.auth import Principal
from legato.conversations import Conversation, CreateConversation, DeleteConversation, UpdateConversation
from legato.events.envelope import Person
from legato.store.conversation_lists import (
    Span,
    conversations_from,
    count_conversations,
    everybody,
    list_conversations,
)

TAG = "conversations"
BODIES = {
    **dict.fromkeys(OLD, ConversationFields),
    **dict.fromkeys(NEW, StrictConversationFields),
}
PAGED = tuple(generation for generation in CONVERSATIONAL if generation is not Generation.V0_1)


class ConversationQuery(PageQuery, frozen=True, kw_only=True, omit_defaults=True):
    """Filters of the list of conversations."""

    name: str | None = None
    date_start: Moment | None = None
    date_end: Moment | None = None


class IndexedQuery(ConversationQuery, frozen=True, kw_only=True, omit_defaults=True):
    """The same, paged by the place of the first item."""

    record_index: Annotated[int, Meta(ge=0, le=2**31)] = 0


class Conversations:
    """Handlers of ``/conversations``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = services.log
        self._find = Finder(services)

    @route(
        "POST",
        "/conversations",
        "Create a conversation",
        tag=TAG,
        body=BODIES,
        answer="conversation_created",
        creates=True,
        codes=("conversation:error:duplicate-name",),
    )
    async def create_conversation(self, request: Request[ConversationFields, None]) -> Reply[Any]:
        """A new conversation, without members; one without a name gets ``NAM-…``."""
        uuid = self._services.ids.uuid
        changes = changed_conversation(request.body)
        properties = {key: value for key, value in (changes.get("properties") or {}).items() if value is not None}
        receipt = await self._log.submit(
            CreateConversation(
                conversation_id=f"CON-{uuid()}",
                by=request.principal.caller(request.body.originating_session),
                name=changes.get("name") or f"NAM-{uuid()}",
                display_name=changes.get("display_name"),
                image_url=changes.get("image_url"),
                properties=properties,
                numbers=changes.get("numbers") or [],
                callback=changes.get("callback"),
            ),
            key=key_of(request),
        )
        return request.render.conversation_created(request.base, receipt.conversation)

    @route(
        "GET",
        "/conversations",
        "List the application's conversations",
        tag=TAG,
        generations=PAGED,
        admin_only=True,
        query=ConversationQuery,
        answer="conversations",
    )
    async def list_conversations(self, request: Request[None, ConversationQuery]) -> Reply[Any]:
        """A page of conversations, by age."""
        turn = Turn.of(request)
        application_id, query = request.application_id, turn.query
        span = _span(query)
        found = await self._log.read(
            lambda c: list_conversations(c, application_id, turn.window, name=query.name, span=span)
        )
        return request.render.conversations(request.base, turn.page(request, found))

    @route(
        "GET",
        "/conversations",
        "List the application's conversations",
        tag=TAG,
        generations=(Generation.V0_1,),
        admin_only=True,
        query=IndexedQuery,
        answer="conversations",
    )
    async def list_indexed_conversations(self, request: Request[None, IndexedQuery]) -> Reply[Any]:
        """Conversations from the ``record_index``-th on, and how many there are."""
        application_id, query, span = request.application_id, request.query, _span(request.query)
        count = await self._log.read(lambda c: count_conversations(c, application_id, name=query.name, span=span))
        items = await self._log.read(
            lambda c: conversations_from(
                c,
                application_id,
                query.record_index,
                query.size,
                name=query.name,
                span=span,
                descending=query.descending,
            )
        )
        href = f"{request.base}/conversations?page_size={query.size}&record_index={query.record_index}"
        page = Page(items, query.size, None, {"self": href}, count, query.record_index)
        return request.render.conversations(request.base, page)

    @route(
        "GET",
        "/conversations/{conversation_id}",
        "Get a conversation by id or name",
        tag=TAG,
        answer="conversation",
        codes=("conversation:error:not-found",),
    )
    async def get_conversation(self, request: Request[None, None]) -> Reply[Any]:
        """A conversation; a user's token also gets its own member."""
        conversation = await self._find.conversation(request.principal, request.params["conversation_id"])
        members = await self._everyone(conversation) if request.generation is Generation.V0_1 else []
        return request.render.conversation(request.base, self._view(conversation, request.principal, members))

    @route(
        "PUT",
        "/conversations/{conversation_id}",
        "Change a conversation",
        tag=TAG,
        body=BODIES,
        answer="conversation_changed",
        codes=("conversation:error:not-found", "conversation:error:duplicate-name", "conversation:error:not-allowed"),
    )
    @route(
        "PATCH",
        "/conversations/{conversation_id}",
        "Change a conversation",
        tag=TAG,
        generations=NEW,
        body=BODIES,
        answer="conversation_changed",
        codes=("conversation:error:not-found", "conversation:error:duplicate-name", "conversation:error:not-allowed"),
    )
    async def change_conversation(self, request: Request[ConversationFields, None]) -> Reply[Any]:
        """What is absent stays, null clears, properties are merged."""
        conversation = await self._find.conversation(request.principal, request.params["conversation_id"])
        receipt = await self._log.submit(
            UpdateConversation(
                conversation_id=conversation.id,
                by=request.principal.caller(request.body.originating_session),
                changes=changed_conversation(request.body),
            )
        )
        return request.render.conversation_changed(request.base, self._view(receipt.conversation, request.principal))

    @route(
        "DELETE",
        "/conversations/{conversation_id}",
        "Delete a conversation",
        tag=TAG,
        answer="conversation_deleted",
        codes=("conversation:error:not-found",),
    )
    async def delete_conversation(self, request: Request[None, None]) -> Reply[Any]:
        """The conversation and its log are gone for every reader."""
        conversation = await self._find.conversation(request.principal, request.params["conversation_id"])
        await self._log.submit(DeleteConversation(conversation_id=conversation.id, by=request.principal.caller()))
        return request.render.conversation_deleted()

    def _view(
        self, conversation: Conversation, principal: Principal, members: list[MemberView] | None = None
    ) -> ConversationView:
        user = principal.user
        mine = conversation.my_member(user.id) if user else None
        own = MemberView(conversation.id, mine, user) if user and mine else None
        return ConversationView(conversation, members or [], own, user is not None)

    async def _everyone(self, conversation: Conversation) -> list[MemberView]:
        found = await self._log.read(lambda c: everybody(c, conversation.id, MAX_WHOLE))
        return [
            MemberView(conversation.id, item.member, item.user.person if item.user else Person(item.member.user_id))
            for item in found
        ]


def _span(query: ConversationQuery) -> Span:
    return Span(moment(query.date_start, "date_start"), moment(query.date_end, "date_end"))
