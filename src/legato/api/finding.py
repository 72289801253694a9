"""Finding what a path or a body names: users by id, name or ``me``; conversations by id or name."""

from __future__ import annotations

from legato.api.bodies import UserReference
from legato.api.services import Services
from legato.auth import Principal
from legato.conversations import Conversation, Member, MemberState, no_such_conversation
from legato.conversations.user import User, no_such_user
from legato.events.envelope import Person
from legato.events.ids import is_id
from legato.events.refusal import Forbidden, InvalidInput, NotFound
from legato.store.conversation_lists import last_member_of, participant
from legato.store.conversations import conversation_of_member, name_owner
from legato.store.users import find_user, find_user_by_name


def no_such_member() -> NotFound:
    """No such member in the conversation."""
    return NotFound("member:error:not-found", "The member does not exist in this conversation.")


class Finder:
    """Looks things up in the caller's application; what belongs to another is not found."""

    def __init__(self, services: Services) -> None:
        self._log = services.log

    async def user(self, principal: Principal, named: str) -> User:
        """The user of an id, a name, or ``me``. Raises NotFound ``user:error:not-found``."""
        application_id = principal.application_id
        if named == "me" and principal.user is not None:
            named = principal.user.id
        find = find_user if is_id(named, "USR") else find_user_by_name
        found = await self._log.read(lambda connection: find(connection, application_id, named))
        if found is None:
            raise no_such_user()
        return found

    async def own_user_id(self, principal: Principal, named: str) -> str:
        """The id of a user about whom only that user itself and the application may ask. Raises Forbidden."""
        own = principal.user
        if own is None:
            return (await self.user(principal, named)).id
        if named not in (own.id, own.name, "me"):
            raise Forbidden("A user's token reaches that user only.")
        return own.id

    async def person(self, principal: Principal, reference: UserReference) -> Person:
        """Whom a body names. Raises NotFound, and InvalidInput when it names nobody."""
        named = reference.id or reference.name
        if not named:
            raise InvalidInput.of("user", "must have an id or a name")
        own = principal.user
        if own is not None and named in (own.id, own.name):
            return own
        if reference.id and not is_id(reference.id, "USR"):
            raise no_such_user()
        application_id = principal.application_id
        find = find_user if reference.id else find_user_by_name
        found = await self._log.read(lambda connection: find(connection, application_id, named))
        if found is None:
            raise no_such_user()
        return found.person

    async def known(self, user_id: str) -> Person:
        """A member's user as it is now; nothing but the id is left of a deleted one."""
        return await self._log.person(user_id) or Person(user_id)

    async def conversation(self, principal: Principal, named: str) -> Conversation:
        """The conversation of an id or a name. Raises NotFound ``conversation:error:not-found``."""
        application_id = principal.application_id
        if not is_id(named, "CON"):
            owner = await self._log.read(lambda connection: name_owner(connection, application_id, named))
            if owner is None:
                raise no_such_conversation()
            named = owner
        return await self._log.conversation(named, application_id)

    async def conversation_id(self, named: str) -> str:
        """The id of a conversation that a path names; ``nexmo-client`` puts a member's id there now and then."""
        if is_id(named, "CON"):
            return named
        if is_id(named, "MEM"):
            found = await self._log.read(lambda connection: conversation_of_member(connection, named))
            if found is not None:
                return found
        raise no_such_conversation()

    async def member(self, conversation: Conversation, principal: Principal, named: str) -> Member:
        """A member of an id, also one who has LEFT, or the caller's own (``me``). Raises NotFound."""
        if named == "me":
            mine = conversation.my_member(principal.user.id) if principal.user else None
            if mine is None:
                raise no_such_member()
            return mine
        current = conversation.members.get(named)
        if current is not None:
            return current
        found = await self._log.read(lambda connection: participant(connection, conversation.id, named))
        if found is None:
            raise no_such_member()
        return found.member

    async def readable_until(self, conversation: Conversation, principal: Principal) -> int | None:
        """The last event of the conversation that the caller may read; None: all that come.

        Who left may read what was said until then. Raises Forbidden for who never was there.
        """
        user = principal.user
        if user is None or conversation.my_member(user.id) is not None:
            return None
        last = await self._log.read(lambda connection: last_member_of(connection, conversation.id, user.id))
        if last is None or last.state is not MemberState.LEFT:
            raise Forbidden("Only members may read the conversation's events.", code="event:error:not-joined")
        return last.until
