"""A log on each store, and an application whose conversations may have callbacks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from legato.conversations import Caller, CreateConversation, PostEvent
from legato.events.ids import RandomIds
from legato.log import Log
from legato.outbound import Outbound
from legato.store import Store
from legato.store.applications import Application, insert_application
from legato.store.endpoints import Endpoint, read_endpoints_of
from legato.store.leases import Lease, lease_lanes
from legato.store.signature import SignatureSecrets
from legato.webhooks import Signer, Webhooks
from legato.webhooks.policy import Policy

NOW = 2_000_000_000.0  # later than everything here falls due
URL = "http://127.0.0.1:9/"
ids = RandomIds()


@dataclass
class House:
    """A log, and an application with an event URL."""

    log: Log
    application: str = field(default_factory=ids.uuid)

    async def conversation(self, events: int = 1, url: str | None = None) -> str:
        """A conversation with so many events, and a callback if there is a URL for it."""
        cid = f"CON-{ids.uuid()}"
        callback = None if url is None else {"url": url}
        by = Caller(self.application)
        await self.log.submit(CreateConversation(conversation_id=cid, by=by, name=cid, callback=callback))
        for _ in range(events):
            await self.post(cid)
        return cid

    async def post(self, cid: str) -> None:
        """One more event."""
        await self.log.submit(
            PostEvent(conversation_id=cid, by=Caller(self.application), type="custom:step", body={"a": 1})
        )

    async def endpoints(self, *endpoint_ids: str) -> dict[str, Endpoint]:
        """Those that there are."""
        found = await self.log.read(partial(read_endpoints_of, endpoint_ids=endpoint_ids))
        return {each.id: each for each in found}

    def webhooks(self, policy: Policy | None = None, **bounds: int) -> Webhooks:
        """A node that sends, and retries soon unless its policy says otherwise."""
        webhooks = Webhooks(
            read=self.log.read,
            write=self.log.transact,
            outbound=Outbound(dangerous_allow_private_addresses=True, **bounds),
            signer=Signer("key", SignatureSecrets("s" * 40), ids),
            clock=self.log.clock,
            ids=ids,
            policy=policy or Policy(first_wait=0.1),
        )
        self.log.tap(webhooks.hear)
        return webhooks

    async def lease(self, rooms: dict[str, int]) -> list[Lease]:
        """What a node gets."""
        return await self.log.transact(partial(lease_lanes, rooms=rooms, node="node", now=NOW, until=NOW + 20))


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    """On each store."""
    store = Store(database_url)
    await store.open()
    log = Log(store)
    await log.start()
    house = House(log)
    rtc = {"webhooks": {"event_url": {"address": URL}}}
    made = Application(id=house.application, name="x", public_key="p", created_at=1.0, capabilities={"rtc": rtc})
    await log.transact(partial(insert_application, application=made))
    yield house
    await log.close()
    await store.close()
