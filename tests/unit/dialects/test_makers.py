"""Who made an event is remembered with it, so that what is said about it later is said in the right words."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest

from legato.conversations import Caller, Conversation, JoinMember, PostEvent, Target, World, decide
from legato.dialects import Dialect, for_socket
from legato.events import Event, Person

from .accepted import APPLICATION, AT, CONVERSATION, MEMBER, OTHER, USER

MIA, NOAH = Person(USER, "mia"), Person("USR-00000007-1111-4222-8333-444455556666", "noah")


@pytest.fixture
def desk() -> Conversation:
    """A conversation that mia and noah have joined."""
    state = Conversation(id=CONVERSATION, application_id=APPLICATION, name="desk", timestamp={"created": AT})
    for person, member in ((MIA, MEMBER), (NOAH, OTHER)):
        join = JoinMember(
            conversation_id=CONVERSATION,
            by=Caller(APPLICATION, person),
            member_id=member,
            user=person,
            channel={"type": "app"},
        )
        state = decide(state, join, world()).state
    return state


def world(*targets: Event) -> World:
    people = {person.id: person for person in (MIA, NOAH)}
    return World(now=AT, people=people, targets={event.id or 0: Target(event) for event in targets})


def post(
    state: Conversation, by: Person, type_: str, body: Any, *targets: Event, dialect: Literal["chat"] | None = None
) -> Event:
    command = PostEvent(
        conversation_id=CONVERSATION, by=Caller(APPLICATION, by), type=type_, body=body, dialect=dialect
    )
    (event,) = decide(state, command, world(*targets)).events
    return event


@pytest.mark.parametrize(("dialect", "name"), [("chat", "text"), (None, "message")])
def test_a_receipt_follows_its_target_into_the_classic_dialect(
    desk: Conversation, dialect: Literal["chat"] | None, name: str
) -> None:
    said = post(desk, MIA, "message", {"message_type": "text", "text": "hi"}, dialect=dialect)
    seen = post(desk, NOAH, "message:seen", {"event_id": said.id}, said, dialect="chat")
    heard = [for_socket(Dialect.CLASSIC, event) for event in (said, seen)]
    assert [packet and packet.name for packet in heard] == [name, f"{name}:seen"]


def test_the_maker_survives_the_log(desk: Conversation) -> None:
    said = post(desk, MIA, "message", {"message_type": "text", "text": "hi"}, dialect="chat")
    assert msgspec.json.decode(msgspec.json.encode(said), type=Event) == said
