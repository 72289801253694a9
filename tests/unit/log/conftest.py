"""A log on a real database of each kind, and people to talk in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from legato.conversations import (
    Caller,
    CreateConversation,
    InviteMember,
    JoinMember,
    Member,
    PostEvent,
)
from legato.conversations.user import User
from legato.events.envelope import Person
from legato.events.ids import RandomIds
from legato.log import Delivery, Log, Receipt
from legato.store import Store
from legato.store.users import insert_user

APPLICATION = "00000000-0000-4000-8000-000000000001"
CHANNEL = {"type": "app"}
ids = RandomIds()


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        """Seconds since 1970."""
        return self.time


@dataclass
class Desk:
    """A log with short words for what tests do to it, and what its tap has heard."""

    log: Log
    clock: MovedClock
    heard: list[Delivery] = field(default_factory=list)
    enrolled: dict[str, asyncio.Future[None]] = field(default_factory=dict)

    def person(self, name: str) -> Person:
        """Somebody new."""
        return Person(f"USR-{ids.uuid()}", name, name.title())

    async def conversation(self, name: str | None = None, **settings: object) -> str:
        """A new conversation's id."""
        cid = f"CON-{ids.uuid()}"
        await self.log.submit(
            CreateConversation(conversation_id=cid, by=Caller(APPLICATION), name=name or cid, **settings)
        )
        return cid

    async def enrol(self, user: Person) -> None:
        """The user's row in the store, once."""
        row = User(id=user.id, application_id=APPLICATION, name=user.id, created_at=0)
        if user.id not in self.enrolled:
            self.enrolled[user.id] = asyncio.ensure_future(self.log.transact(partial(insert_user, user=row)))
        await self.enrolled[user.id]

    async def join(self, cid: str, user: Person, by: Person | None = None) -> Member:
        """The user as a joined member."""
        await self.enrol(user)
        receipt = await self.log.submit(
            JoinMember(
                conversation_id=cid,
                by=Caller(APPLICATION, by or user),
                member_id=f"MEM-{ids.uuid()}",
                user=user,
                channel=CHANNEL,
            )
        )
        assert receipt.member is not None
        return receipt.member

    async def invite(self, cid: str, user: Person, by: Person | None = None) -> Member:
        """The user as an invited member."""
        await self.enrol(user)
        receipt = await self.log.submit(
            InviteMember(
                conversation_id=cid,
                by=Caller(APPLICATION, by),
                member_id=f"MEM-{ids.uuid()}",
                user=user,
                channel=CHANNEL,
            )
        )
        assert receipt.member is not None
        return receipt.member

    async def post(self, cid: str, user: Person | None, type_: str, body: dict, from_: str | None = None) -> Receipt:
        """An event by a user, or by the application."""
        return await self.log.submit(
            PostEvent(conversation_id=cid, by=Caller(APPLICATION, user), type=type_, body=body, from_=from_)
        )


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """A running log on an empty database."""
    store = Store(database_url)
    await store.open()
    clock = MovedClock()
    desk = Desk(Log(store, clock=clock), clock)
    desk.log.tap(desk.heard.extend)
    await desk.log.start()
    yield desk
    await desk.log.close()
    await store.close()
