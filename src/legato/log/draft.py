"""A batch being decided: committed states plus the earlier commands of the same batch."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from legato.conversations import (
    Command,
    Conversation,
    CreateConversation,
    Decision,
    InviteMember,
    JoinMember,
    LeaveMember,
    MemberState,
    Target,
    World,
    decide,
)
from legato.events import CATALOGUE
from legato.events.catalogue import Audience
from legato.events.envelope import Event
from legato.events.moment import iso
from legato.events.refusal import Conflict
from legato.log.facts import Facts, target_id, wanted_name
from legato.log.values import Delivery, IdempotencyKey, Receipt
from legato.store import Batch, Head
from legato.store.idempotency import NewAnswer

_encode_receipt = msgspec.json.Encoder().encode
_decode_receipt = msgspec.json.Decoder(Receipt).decode


class Draft:
    """Decides commands one after the other and collects what they come to.

    ``touched`` names the targets whose marks or text were changed in place: they must be forgotten if the commit fails.
    """

    def __init__(self, facts: Facts, now: float) -> None:
        self.batch = Batch(now)
        self.states: dict[str, Conversation] = {}
        self.touched: dict[tuple[str, int], Target] = {}
        self._facts = facts
        self._now = iso(now)
        self._deliveries: dict[str, list[Delivery]] = {}
        self._names: dict[tuple[str, str], str] = {}
        self._left: set[str] = set()
        self._answered: dict[tuple[str, str], tuple[str, Receipt]] = {}

    def decide(self, command: Command, key: IdempotencyKey | None) -> Receipt:
        """What ``command`` comes to, standing on everything decided before it. Raises Refusal."""
        if key is not None and (earlier := self._earlier(key)) is not None:
            return earlier
        cid = command.conversation_id
        state = self.states.get(cid) or self._facts.states.get(cid)
        event_id = target_id(command)
        target = self._facts.targets.get((cid, event_id)) if event_id is not None else None
        world = World(
            now=self._now,
            people=self._facts.people,
            targets={event_id: target} if event_id is not None and target is not None else {},
            name_taken=self._is_taken(command, cid),
            has_left=isinstance(command, LeaveMember)
            and (command.member_id in self._left or command.member_id in self._facts.left),
            user_gone=isinstance(command, InviteMember | JoinMember) and command.user.id not in self._facts.users,
        )
        decision = decide(state, command, world)
        self._take(command, state, decision, target)
        receipt = Receipt(decision.state, decision.events, decision.answer, decision.member)
        if key is not None:
            kept = receipt.kept(made=isinstance(command, CreateConversation))
            self._answered[key.application_id, key.key] = (key.fingerprint, kept)
            answer = _encode_receipt(kept)
            self.batch.answers.append(NewAnswer(key.application_id, key.key, key.fingerprint, answer, self.batch.now))
        return receipt

    def signal(self, event: Event, audience: tuple[str, ...], session_id: str | None) -> None:
        """Lets a signal pass in its place among the events of its conversation."""
        delivery = Delivery(event, CATALOGUE[event.type], None, audience, session_id)
        self._deliveries.setdefault(event.conversation_id or "", []).append(delivery)

    def close(self) -> None:
        """Lays the events out as they will be numbered: grouped by conversation, so that one socket's offsets grow."""
        for deliveries in self._deliveries.values():
            for delivery in deliveries:
                if delivery.event.id is not None:
                    self.batch.events.append(delivery.event)
                elif delivery.event.conversation_id is None:
                    self.batch.unlogged.append(delivery.event)

    def deliveries(self, first_commit: int) -> Iterator[Delivery]:
        """What the taps hear, in commit order, once ``close`` and the commit are done."""
        commit = first_commit
        for deliveries in self._deliveries.values():
            for delivery in deliveries:
                if delivery.event.id is None:
                    yield delivery
                else:
                    yield msgspec.structs.replace(delivery, commit=commit)
                    commit += 1

    def _earlier(self, key: IdempotencyKey) -> Receipt | None:
        same_batch = self._answered.get((key.application_id, key.key))
        if same_batch is not None:
            require_same(key, same_batch[0])
            return same_batch[1]
        stored = self._facts.answers.get((key.application_id, key.key))
        if stored is None:
            return None
        require_same(key, stored.fingerprint)
        return _decode_receipt(stored.answer)

    def _is_taken(self, command: Command, cid: str) -> bool:
        name = wanted_name(command)
        if name is None:
            return False
        place = (command.by.application_id, name)
        owner = self._names.get(place) or self._facts.names.get(place)
        return owner is not None and owner != cid

    def _take(self, command: Command, before: Conversation | None, decision: Decision, target: Target | None) -> None:
        cid, after, batch = command.conversation_id, decision.state, self.batch
        if after is not before:
            head = batch.heads.get(cid)
            if head is None:
                batch.heads[cid] = Head(before or after, after, is_new=before is None)
            else:
                head.after = after
            self.states[cid] = after
        if isinstance(command, CreateConversation) or wanted_name(command) is not None:
            self._names[command.by.application_id, after.name] = cid
        if decision.member is not None:
            member = decision.member
            if member.state is MemberState.LEFT:
                self._left.add(member.id)
            is_new = before is None or (member.id not in before.members)
            table = batch.new_members if is_new or member.id in batch.new_members else batch.changed_members
            table[member.id] = (cid, member)
        if target is not None and decision.events:
            self._change_target(cid, target, decision)
        for event in decision.events:
            entry = CATALOGUE[event.type]
            audience: tuple[str, ...] = () if entry.audience is Audience.NONE else after.audience
            if decision.member is not None and decision.member.user_id not in audience:
                audience = (*audience, decision.member.user_id)  # who left hears that it did
            self._deliveries.setdefault(cid, []).append(Delivery(event, entry, None, audience))

    def _change_target(self, cid: str, target: Target, decision: Decision) -> None:
        self.touched[cid, target.event.id or 0] = target
        for mark in decision.marks:
            target.marks[mark.member_id, mark.kind] = mark.mark
        self.batch.marks += decision.marks
        if decision.rewrite is not None:
            target.event, target.deleted = decision.rewrite, decision.deleted
            self.batch.rewrites[cid, target.event.id or 0] = (decision.rewrite, decision.deleted)
        if decision.echoes:
            self.batch.echoes.append((cid, decision.echoes))


def require_same(key: IdempotencyKey, fingerprint: str) -> None:
    """Raises Conflict when ``key`` was used for another request."""
    if key.fingerprint != fingerprint:
        raise Conflict(
            "http:error:idempotency-conflict", "This Idempotency-Key was used for another request: choose a new key."
        )
