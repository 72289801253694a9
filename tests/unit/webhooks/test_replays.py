"""What is sent again: asked for now, sent when it can be."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from tests.unit.webhooks.conftest import NOW, URL, House

from legato.events.refusal import Overloaded
from legato.log import Upkeep
from legato.store.endpoints import change_endpoint
from legato.store.replays import MAX_REPLAYS, Again, add_replay, resume_endpoint
from legato.testing.receiver import Receiver


async def test_a_replay_for_a_disabled_endpoint_is_sent_once_that_is_resumed(house: House) -> None:
    with Receiver() as receiver:
        cid = await house.conversation(events=2, url=receiver.url)
        webhooks = house.webhooks()
        await webhooks.start()
        sent = [f"{cid}_{number}" for number in (1, 2)]
        await asyncio.to_thread(receiver.until_told, sent)
        now = house.log.clock.now()
        await house.log.transact(partial(change_endpoint, endpoint_id=cid, state="disabled"))
        again = [Again(known_by) for known_by in sent]
        replay = partial(add_replay, stream="replay:1", endpoint_id=cid, application_id=house.application)
        await house.log.transact(lambda connection: replay(connection, again=again, now=now))
        await Upkeep(house.log).once()
        await house.log.transact(partial(resume_endpoint, endpoint_id=cid, now=now))
        webhooks.changed(cid)
        await asyncio.to_thread(
            receiver.until, lambda got: [each.id for each in got if each.id in sent] == sent * 2, "both come again"
        )
        await webhooks.close()
        await Upkeep(house.log).once()
    kept = await house.log.read(
        lambda connection: connection.exec_driver_sql("SELECT id FROM stream_events WHERE stream = 'replay:1'").all()
    )
    assert not kept


async def test_replays_that_wait_for_an_endpoint_are_bounded(house: House) -> None:
    cid = await house.conversation(url=URL)
    replay = partial(add_replay, endpoint_id=cid, application_id=house.application, again=[Again(f"{cid}_1")], now=NOW)
    for number in range(MAX_REPLAYS):
        await house.log.transact(partial(replay, stream=f"replay:{number}"))
    with pytest.raises(Overloaded, match=r"100 replays wait"):
        await house.log.transact(partial(replay, stream="replay:one too many"))
