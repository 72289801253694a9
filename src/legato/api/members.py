"""Members: invited, joined, left. Both spellings of the requests come to the same commands."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, field
from sqlalchemy import Connection

from legato.api.bodies import (
    MemberChange,
    NewMember,
    OldMemberChange,
    OldNewMember,
    Reason,
    checked_channel,
    checked_media,
)
from legato.api.contract import NEW, OLD, Generation, Reply, Request, route
from legato.api.finding import Finder, no_such_member
from legato.api.idempotency import key_of
from legato.api.paging import MAX_WHOLE, PageQuery, Turn
from legato.api.render.views import MemberView
from legato.api.services import Services
from legato.conversations import InviteMember, JoinMember, LeaveMember, Member, MemberState
from legato.events.envelope import JsonObject, Person
from legato.events.refusal import Refusal
from legato.store.conversation_lists import Participant, everybody, list_members
from legato.store.paging import Slice

TAG = "members"
NEW_MEMBER = {**dict.fromkeys(OLD, OldNewMember), **dict.fromkeys(NEW, NewMember)}
CHANGE = {**dict.fromkeys(OLD, OldMemberChange), **dict.fromkeys(NEW, MemberChange)}
CODES = (
    "conversation:error:not-found",
    "conversation:error:member-already-joined",
    "conversation:error:maximum-number-of-members",
    "conversation:error:not-allowed",
    "user:error:not-found",
)
LEAVE_CODES = ("conversation:error:not-found", "conversation:error:invalid-member-state", "member:error:not-found")
CHANGE_CODES = (*LEAVE_CODES, "conversation:error:not-allowed")


class LeaveQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Why a member leaves, and on behalf of which member."""

    reason_code: Annotated[str, Meta(max_length=200)] | None = None
    reason_text: Annotated[str, Meta(max_length=500)] | None = None
    from_: str | None = field(name="from", default=None)


class Members:
    """Handlers of ``/conversations/{conversation_id}/members``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = services.log
        self._find = Finder(services)

    @route(
        "POST",
        "/conversations/{conversation_id}/members",
        "Invite a user, or join",
        tag=TAG,
        body=NEW_MEMBER,
        answer="member_made",
        creates=True,
        codes=CODES,
    )
    async def add_member(self, request: Request[NewMember | OldNewMember, None]) -> Reply[Any]:
        """A member, INVITED or JOINED; who joins on an open invitation keeps the member id it was invited under."""
        asked = request.body.invitation()
        principal = request.principal
        conversation_id = await self._find.conversation_id(request.params["conversation_id"])
        user = await self._find.person(principal, asked.user)
        by = principal.caller(asked.session_id)
        member_id = f"MEM-{self._services.ids.uuid()}"
        command: InviteMember | JoinMember
        if asked.joins:
            command = JoinMember(
                conversation_id=conversation_id,
                by=by,
                member_id=member_id,
                user=user,
                channel=asked.channel,
                media=asked.media,
                accepts=asked.accepts,
                knocking_id=asked.knocking_id,
            )
        else:
            command = InviteMember(
                conversation_id=conversation_id,
                by=by,
                member_id=member_id,
                user=user,
                channel=asked.channel,
                media=asked.media,
                inviting=asked.inviting,
                knocking_id=asked.knocking_id,
            )
        receipt = await self._log.submit(command, key=key_of(request))
        assert receipt.member is not None  # noqa: S101 - both commands make one
        return request.render.member_made(request.base, MemberView(conversation_id, receipt.member, user))

    @route(
        "GET",
        "/conversations/{conversation_id}/members",
        "List everyone who is or was in the conversation",
        tag=TAG,
        query=PageQuery,
        answer="members",
        codes=("conversation:error:not-found",),
    )
    async def list_members(self, request: Request[None, PageQuery]) -> Reply[Any]:
        """Members in the order they came; those who LEFT are among them, on v0.1 as far as there is room for them."""
        conversation = await self._find.conversation(request.principal, request.params["conversation_id"])
        whole = request.generation is Generation.V0_1
        turn = Turn.of(request, whole=whole, key=lambda _query: (int, str))

        def read(connection: Connection) -> Slice[Participant]:
            if not whole:
                return list_members(connection, conversation.id, turn.window)
            everyone = everybody(connection, conversation.id, MAX_WHOLE)
            return Slice(sorted(everyone, key=lambda one: one.member.since, reverse=turn.window.descending))

        found = await self._log.read(read)
        views = [
            MemberView(conversation.id, item.member, item.user.person if item.user else Person(item.member.user_id))
            for item in found.items
        ]
        page = turn.page(request, Slice(views, found.keys, found.has_before, found.has_after))
        return request.render.members(request.base, page)

    @route(
        "GET",
        "/conversations/{conversation_id}/members/{member_id}",
        "Get a member, or one's own as `me`",
        tag=TAG,
        answer="member",
        codes=("conversation:error:not-found", "member:error:not-found"),
    )
    async def get_member(self, request: Request[None, None]) -> Reply[Any]:
        """A member, also one who LEFT; ``me`` is the token's JOINED member, else the INVITED one."""
        conversation = await self._find.conversation(request.principal, request.params["conversation_id"])
        member = await self._find.member(conversation, request.principal, request.params["member_id"])
        return request.render.member(request.base, await self._view(conversation.id, member))

    @route(
        "PUT",
        "/conversations/{conversation_id}/members/{member_id}",
        "Accept an invitation, or leave",
        tag=TAG,
        body=CHANGE,
        answer="member_changed",
        codes=CHANGE_CODES,
    )
    @route(
        "PATCH",
        "/conversations/{conversation_id}/members/{member_id}",
        "Accept an invitation, or leave",
        tag=TAG,
        generations=NEW,
        body=CHANGE,
        answer="member_changed",
        codes=CHANGE_CODES,
    )
    async def change_member(self, request: Request[MemberChange | OldMemberChange, None]) -> Reply[Any]:
        """The member after it joined or left."""
        asked = request.body
        principal = request.principal
        conversation = await self._find.conversation(principal, request.params["conversation_id"])
        member = await self._find.member(conversation, principal, request.params["member_id"])
        by = principal.caller(asked.originating_session)
        command: JoinMember | LeaveMember
        if asked.joins:
            if member.state is MemberState.LEFT:
                raise Refusal("conversation:error:invalid-member-state", "The member has left the conversation.")
            command = JoinMember(
                conversation_id=conversation.id,
                by=by,
                member_id=member.id,
                user=await self._find.known(member.user_id),
                channel=checked_channel(asked.channel) if asked.channel else member.channel,
                media=checked_media(asked.media),
                accepts=member.id,
            )
        else:
            reason = msgspec.to_builtins(asked.reason) if asked.reason else None
            command = LeaveMember(
                conversation_id=conversation.id, by=by, member_id=member.id, reason=reason, acting=asked.from_
            )
        receipt = await self._log.submit(command)
        view = await self._view(conversation.id, receipt.member or member)
        return request.render.member_changed(request.base, view)

    @route(
        "DELETE",
        "/conversations/{conversation_id}/members/{member_id}",
        "Leave, decline, or remove a member",
        tag=TAG,
        query=LeaveQuery,
        answer="member_left",
        codes=LEAVE_CODES,
    )
    async def remove_member(self, request: Request[None, LeaveQuery]) -> Reply[Any]:
        """The member LEFT, for good."""
        query, named = request.query, request.params["member_id"]
        principal = request.principal
        conversation_id = await self._find.conversation_id(request.params["conversation_id"])
        if named == "me":
            conversation = await self._log.conversation(conversation_id, request.application_id)
            named = (await self._find.member(conversation, principal, named)).id
        elif not named.startswith("MEM-"):
            raise no_such_member()
        reason: JsonObject = msgspec.to_builtins(Reason(query.reason_code, query.reason_text))
        await self._log.submit(
            LeaveMember(
                conversation_id=conversation_id,
                by=principal.caller(),
                member_id=named,
                reason=reason or None,
                acting=query.from_,
                by_delete=True,
            )
        )
        return request.render.member_left()

    async def _view(self, conversation_id: str, member: Member) -> MemberView:
        return MemberView(conversation_id, member, await self._find.known(member.user_id))
