"""Who would be woken: told to the application, for those of whom no client is connected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from legato.events import CATALOGUE, Event
from legato.log import Delivery
from legato.store.devices import Device, put_device
from legato.testing.waiting import PATIENCE_SECONDS

from .stage import APPLICATION, Stage


class Pushes:
    """The announcements that the log's taps have heard."""

    def __init__(self, stage: Stage) -> None:
        self.heard: list[Event] = []
        self._changed = asyncio.Event()
        stage.log.tap(self._hear)

    def _hear(self, deliveries: list[Delivery]) -> None:
        self.heard += [one.event for one in deliveries if one.event.type == "app:push"]
        self._changed.set()

    async def until(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """What was heard, once it is enough."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(self.heard):
                self._changed.clear()
                await self._changed.wait()
        return self.heard


async def test_devices_of_those_who_are_away_are_told_and_of_nobody_else(stage: Stage) -> None:
    alice, bob, carol = [await stage.person(name) for name in ("alice", "bob", "carol")]
    for person in (alice, bob, carol):
        device = Device(
            application_id=APPLICATION,
            user_id=person.id,
            device_id=f"{person.name}-phone",
            registration={"device_type": "android", "device_token": "kept to ourselves"},
            created_at=stage.clock.now(),
        )
        await stage.log.transact(lambda database, device=device: put_device(database, device))
    cid = await stage.conversation(alice, bob, carol)
    pushes = Pushes(stage)
    client = await stage.login("bob")
    text = (await stage.post(cid, "hello", alice)).event
    (push,) = await pushes.until(lambda heard: len(heard) == 1)
    assert push.body == CATALOGUE["app:push"].validate(push.body)
    assert push.body == {
        "user": {"id": carol.id},
        "devices": [{"device_id": "carol-phone", "device_type": "android"}],
        "event": {"type": "text", "id": text.id, "conversation_id": cid},
    }
    await client.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        while stage.sessions.registry.is_connected(bob.id):
            await asyncio.sleep(0.01)
    await stage.emit(cid, "text:typing:on", {"activity": 1}, alice)  # wakes nobody
    await stage.post(cid, "again", alice)
    heard = await pushes.until(lambda heard: len(heard) == 3)
    assert {one.body["user"]["id"] for one in heard[1:]} == {bob.id, carol.id}
    assert not any("kept to ourselves" in str(one.body) for one in heard)
