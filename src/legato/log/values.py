"""What goes into the log and what comes out of it."""

from __future__ import annotations

import msgspec

from legato.conversations import Conversation, Member
from legato.events.catalogue import EventType
from legato.events.envelope import Event


class IdempotencyKey(msgspec.Struct, frozen=True):
    """A caller's promise that two requests are one: ``fingerprint`` is of method, path and body."""

    application_id: str
    key: str
    fingerprint: str


class Receipt(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer to a command, given after COMMIT.

    ``events`` were appended or signalled by it and are empty for a repeat; ``event`` is the one to tell the caller
    about; ``member`` is the member it made, changed or ended. For a repeat under an idempotency key, ``conversation``
    says where its log stood and no more of it, unless the command made it.
    """

    conversation: Conversation
    events: tuple[Event, ...] = ()
    event: Event | None = None
    member: Member | None = None

    def kept(self, *, made: bool) -> Receipt:
        """What a repeat is answered from; ``made``: the command made the conversation.

        A conversation of a hundred members is some 400 kB, and a key is kept with every message that has one.
        """
        place = self.conversation
        if not made:
            place = Conversation(
                id=place.id,
                application_id=place.application_id,
                name=place.name,
                timestamp=place.timestamp,
                sequence=place.sequence,
                epoch=place.epoch,
            )
        return Receipt(place, event=self.event, member=self.member)


class Delivery(msgspec.Struct, frozen=True):
    """One event on its way out, told to every tap after COMMIT and in commit order.

    ``commit`` is the store-wide commit number that sessions resume from, None for what is not stored. ``audience`` is
    the user ids whose sessions hear it: the membership after the event, and the leaver of a ``member:left``.
    ``session_id`` narrows that to one session. ``is_remote``: another node has committed or signalled it, and does what
    is to be done once.
    """

    event: Event
    entry: EventType
    commit: int | None = None
    audience: tuple[str, ...] = ()
    session_id: str | None = None
    is_remote: bool = False
