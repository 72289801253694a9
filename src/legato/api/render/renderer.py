"""What every renderer writes. A handler names the kind of answer; the generation's renderer knows status and shape."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import field

from legato.api.contract import Reply, answers
from legato.api.paging import Page
from legato.api.render.shapes import (
    PageLinks,
    Refreshed,
    SessionEmbedded,
    SessionItem,
    SessionUser,
    page_links,
    self_link,
)
from legato.api.render.views import ConversationView, EventView, MemberView, SessionView
from legato.conversations import Conversation
from legato.conversations.user import User
from legato.store.conversation_lists import Participation


class SessionsEmbedded(msgspec.Struct, frozen=True):
    """The sessions of a page."""

    sessions: list[SessionItem]


class SessionPage(msgspec.Struct, frozen=True):
    """A page of sessions."""

    page_size: int
    links: PageLinks = field(name="_links")
    embedded: SessionsEmbedded = field(name="_embedded")


class Renderer:
    """Writes answers in the shapes of one generation; ``base`` is the public URL with the caller's prefix.

    What is written here is the same in all of them. The rest every generation of conversations writes in its own way;
    generations without conversations (v2, v3) have none of it.
    """

    @answers(200)
    def sessions(self, base: str, page: Page[SessionView]) -> SessionPage:
        """A page of a user's sessions."""
        items = [
            SessionItem(
                view.id,
                view.properties,
                SessionEmbedded(SessionUser(view.user.id, view.user.name), view.api_key),
                self_link(f"{base}/sessions/{view.id}"),
            )
            for view in page.items
        ]
        return SessionPage(page.size, page_links(page), SessionsEmbedded(items))

    @answers(200, "The session goes on with the new token.")
    def session_refreshed(self, session_id: str) -> Refreshed:
        """A session after its token was renewed."""
        return Refreshed(session_id)

    def session_ended(self) -> Reply[Any]:
        """A session after it was ended."""
        raise NotImplementedError

    def user_created(self, base: str, user: User) -> Reply[Any]:
        """A new user."""
        raise NotImplementedError

    def user(self, base: str, user: User) -> Reply[Any]:
        """A user."""
        raise NotImplementedError

    def user_changed(self, base: str, user: User) -> Reply[Any]:
        """A user after a change."""
        raise NotImplementedError

    def user_deleted(self) -> Reply[Any]:
        """Nothing."""
        raise NotImplementedError

    def users(self, base: str, page: Page[User]) -> Reply[Any]:
        """Users."""
        raise NotImplementedError

    def user_conversations(self, base: str, page: Page[Participation], custom_data: bool) -> Reply[Any]:
        """A user's conversations, with their properties if ``custom_data`` was asked for."""
        raise NotImplementedError

    def conversation_created(self, base: str, conversation: Conversation) -> Reply[Any]:
        """A new conversation."""
        raise NotImplementedError

    def conversation(self, base: str, view: ConversationView) -> Reply[Any]:
        """A conversation."""
        raise NotImplementedError

    def conversation_changed(self, base: str, view: ConversationView) -> Reply[Any]:
        """A conversation after a change."""
        raise NotImplementedError

    def conversation_deleted(self) -> Reply[Any]:
        """Nothing."""
        raise NotImplementedError

    def conversations(self, base: str, page: Page[Conversation]) -> Reply[Any]:
        """Conversations."""
        raise NotImplementedError

    def member_made(self, base: str, view: MemberView) -> Reply[Any]:
        """A new member."""
        raise NotImplementedError

    def member(self, base: str, view: MemberView) -> Reply[Any]:
        """A member."""
        raise NotImplementedError

    def member_changed(self, base: str, view: MemberView) -> Reply[Any]:
        """A member after a change."""
        raise NotImplementedError

    def member_left(self) -> Reply[Any]:
        """Nothing."""
        raise NotImplementedError

    def members(self, base: str, page: Page[MemberView]) -> Reply[Any]:
        """Members."""
        raise NotImplementedError

    def event_made(self, base: str, view: EventView) -> Reply[Any]:
        """A new event."""
        raise NotImplementedError

    def event(self, base: str, view: EventView) -> Reply[Any]:
        """An event."""
        raise NotImplementedError

    def event_deleted(self) -> Reply[Any]:
        """Nothing."""
        raise NotImplementedError

    def events(self, base: str, page: Page[EventView], user_agent: str) -> Reply[Any]:
        """Events."""
        raise NotImplementedError
