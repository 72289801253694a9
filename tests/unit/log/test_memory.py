"""What the log keeps in memory, by what it weighs."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from msgspec.structs import replace

from legato.conversations import Conversation, Member, MemberState, Target
from legato.events.envelope import Event, Person
from legato.log.memory import MAX_PEOPLE, MAX_STATES, MAX_TARGETS, Memory, weigh_state

# 16 kB of JSON, and about 400 kB of objects.
NESTED: list[Any] = [[]] * 5_400
NESTED_BYTES = 370_000


def conversation(name: str = "CON-1", **settings: Any) -> Conversation:
    return Conversation(id=name, application_id="", name=name, timestamp={}, **settings)


def member(number: int, **channel: Any) -> Member:
    return Member(
        id=f"MEM-{number}",
        user_id=f"USR-{number}",
        state=MemberState.JOINED,
        channel={"type": "app", **channel},
        timestamp={},
        initiator={},
        since=1,
    )


def target(number: int, body: dict[str, Any]) -> Target:
    return Target(Event(type="custom:x", body=body, timestamp="", application_id="", id=number))


def test_targets_are_kept_as_far_as_their_bodies_allow() -> None:
    memory = Memory()
    for number in range(2 * MAX_TARGETS // NESTED_BYTES):
        memory.targets.put(("CON-1", number), target(number, {"p": NESTED}))
    assert len(memory.targets) * NESTED_BYTES < MAX_TARGETS
    assert ("CON-1", number) in memory.targets
    for number in range(10_000):
        memory.targets.put(("CON-2", number), target(number, {"text": "hello"}))
    assert ("CON-2", 0) in memory.targets


def test_states_are_kept_as_far_as_their_properties_allow() -> None:
    memory = Memory()
    for number in range(2 * MAX_STATES // NESTED_BYTES):
        memory.states.put(f"CON-{number}", conversation(properties={"custom_data": NESTED}))
    assert len(memory.states) * NESTED_BYTES < MAX_STATES


def test_people_are_kept_as_far_as_their_data_allows() -> None:
    memory = Memory()
    for number in range(2 * MAX_PEOPLE // NESTED_BYTES):
        memory.people.put(f"USR-{number}", Person(f"USR-{number}", custom_data={"p": NESTED}))
    assert len(memory.people) * NESTED_BYTES < MAX_PEOPLE


def test_a_state_weighs_the_same_however_it_came_to_be() -> None:
    some = {each.id: each for each in (member(number) for number in range(5))}
    joined = some | {"MEM-9": member(9, x=[[]] * 100)}
    moved = joined | {"MEM-1": member(1, y="z" * 100)}
    left = {id_: each for id_, each in moved.items() if id_ != "MEM-9"}
    states = [conversation(members=some)]
    for change in (
        {"members": joined},
        {"sequence": 7},
        {"members": moved, "properties": {"a": [1, 2]}},
        {"members": left, "callback": {"url": "https://a.example"}},
        {"numbers": [{"number": "1"}], "image_url": "https://a.example/b.png"},
        {"properties": {}, "image_url": None},
    ):
        states.append(replace(states[-1], **change))
    weight = weigh_state(states[0])
    for earlier, state in pairwise(states):
        weight = weigh_state(state, (earlier, weight))
        assert weight == weigh_state(state)
    memory = Memory()
    for state in states:
        memory.states.put(state.id, state)
    assert memory.states._weight == weight
