"""Gathering what a batch of commands needs to know, in at most one visit to the database."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from legato.conversations import (
    Caller,
    Command,
    Conversation,
    CreateConversation,
    DeleteEvent,
    InviteMember,
    JoinMember,
    LeaveMember,
    PostEvent,
    Target,
    UpdateConversation,
)
from legato.events import CATALOGUE
from legato.events.catalogue import Effect
from legato.events.envelope import Person
from legato.log.memory import Memory
from legato.log.news import Reading
from legato.log.values import IdempotencyKey
from legato.store.conversations import find_member, load_conversations, name_owner
from legato.store.events import load_targets
from legato.store.idempotency import KeptAnswer, read_answers
from legato.store.users import load_users


@dataclass(slots=True)
class Facts:
    """What was found, by key; a name maps to the conversation that owns it. ``users`` are there, not deleted."""

    states: dict[str, Conversation] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)
    targets: dict[tuple[str, int], Target] = field(default_factory=dict)
    names: dict[tuple[str, str], str | None] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    answers: dict[tuple[str, str], KeptAnswer] = field(default_factory=dict)


def target_id(command: Command) -> int | None:
    """The id of the event a command refers to."""
    if isinstance(command, DeleteEvent):
        return command.event_id
    if isinstance(command, PostEvent):
        entry = CATALOGUE.get(command.type)
        if entry is not None and entry.effect.is_receipt:
            return _number(command.body.get("event_id"))
        if entry is not None and entry.effect is Effect.EDIT:
            return _number(command.body.get("original_event_id"))
    return None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def wanted_name(command: Command) -> str | None:
    """The name a command would give its conversation."""
    if isinstance(command, CreateConversation):
        return command.name
    if isinstance(command, UpdateConversation):
        name: str | None = command.changes.get("name")
        return name
    return None


async def gather(requests: Iterable[tuple[Command, IdempotencyKey | None]], memory: Memory, look: Reading) -> Facts:
    """The facts for ``requests``: from memory where it has them, the rest in one ``look`` at the database."""
    requests = list(requests)
    facts = Facts()
    missing_states: set[str] = set()
    missing_targets: set[tuple[str, int]] = set()
    keys: list[tuple[str, str]] = []
    names: set[tuple[str, str]] = set()
    for command, key in requests:
        cid = command.conversation_id
        if key is not None:
            keys.append((key.application_id, key.key))
        if (name := wanted_name(command)) is not None:
            names.add((command.by.application_id, name))
        if isinstance(command, CreateConversation) or cid in facts.states:
            pass
        elif (state := memory.states.get(cid)) is not None:
            facts.states[cid] = state
        else:
            missing_states.add(cid)
        if (event_id := target_id(command)) is not None and (cid, event_id) not in facts.targets:
            target = memory.targets.get((cid, event_id))
            if target is None:
                missing_targets.add((cid, event_id))
            else:
                facts.targets[cid, event_id] = target
    missing_people, unknown_leavers = _find_people(requests, facts, memory)
    if not (missing_states or missing_targets or keys or names or missing_people or unknown_leavers):
        return facts

    found: dict[str, Person] = {}

    def read(connection: Connection) -> None:
        if missing_states:
            facts.states.update(load_conversations(connection, missing_states))
        people, leavers = _find_people(requests, facts, memory)
        if people:
            found.update({user.id: user.person for user in load_users(connection, people).values()})
        for cid, member_id in leavers:
            if find_member(connection, cid, member_id) is not None:
                facts.left.add(member_id)
        if missing_targets:
            facts.targets.update(load_targets(connection, missing_targets))
        for application_id, name in names:
            facts.names[application_id, name] = name_owner(connection, application_id, name)
        if keys:
            facts.answers.update(read_answers(connection, keys))

    await look(read)
    facts.people.update(found)
    facts.users.update(found)
    for user_id, person in found.items():
        memory.people.put(user_id, person)  # whoever changes one comes after this read, and drops it again
    return facts


def _find_people(
    requests: list[tuple[Command, IdempotencyKey | None]], facts: Facts, memory: Memory
) -> tuple[set[str], list[tuple[str, str]]]:
    """Users whose person is not known yet, and (conversation, member) pairs that no current state has."""
    people: set[str] = set()
    leavers: list[tuple[str, str]] = []
    for command, _ in requests:
        _know(command.by, facts, memory)
        state = facts.states.get(command.conversation_id)
        if state is None:
            continue
        if isinstance(command, LeaveMember):
            member = state.members.get(command.member_id)
            if member is None:
                leavers.append((state.id, command.member_id))
        elif isinstance(command, PostEvent | DeleteEvent) and command.from_ is not None:
            member = state.members.get(command.from_)
        elif isinstance(command, InviteMember | JoinMember):
            # Whom a token or a reader has seen may have been deleted since.
            person = memory.people.get(command.user.id)
            if person is None:
                people.add(command.user.id)
            else:
                facts.users.add(command.user.id)
            continue
        else:
            continue
        if member is not None and member.user_id not in facts.people:
            person = memory.people.get(member.user_id)
            if person is None:
                people.add(member.user_id)
            else:
                facts.people[member.user_id] = person
    return people, leavers


def _know(by: Caller, facts: Facts, memory: Memory) -> None:
    if by.user is not None and by.user.id not in facts.people:
        facts.people[by.user.id] = memory.people.get(by.user.id) or by.user
