"""An endpoint that takes nothing for as long as it is given is disabled by the node that sends, until it is resumed."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from tests.unit.webhooks.conftest import House

from legato.events.moment import iso
from legato.store.endpoints import Endpoint
from legato.store.replays import resume_endpoint
from legato.testing.receiver import Received, Receiver
from legato.testing.waiting import PATIENCE_SECONDS
from legato.webhooks.policy import Policy

# Retries after 0.1, 0.3, 0.6 s: the third or fourth attempt is one too many.
IMPATIENT = Policy(first_wait=0.1, give_up=0.5)


async def test_an_endpoint_that_took_nothing_for_too_long_is_disabled_and_when_it_is_resumed_gets_what_waited(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver:
        receiver.behave("503", path="/hook/dead")
        dead = await house.conversation(events=3, url=f"{receiver.url}/dead")
        well = await house.conversation(url=f"{receiver.url}/well")
        webhooks = house.webhooks(policy=IMPATIENT)
        await webhooks.start()
        found = await until_it_is(house, dead, "disabled")
        assert found.failing_since is not None
        why = f"took nothing since {iso(found.failing_since)}; the last attempt: answered 503"
        assert found.why == why
        assert f"the endpoint {dead} is disabled: {why}" in caplog.messages
        asked = told(receiver.requests(), "/hook/dead")
        assert len(asked) > 1
        assert {each.id for each in asked} == {f"{dead}_1"}

        receiver.behave("ok", path="/hook/dead")
        for cid in (dead, well):
            await house.post(cid)
        await asyncio.to_thread(
            receiver.until, lambda r: any(each.id == f"{well}_2" for each in r), "the other one is told"
        )
        assert told(receiver.requests(), "/hook/dead") == asked

        await house.log.transact(partial(resume_endpoint, endpoint_id=dead, now=house.log.clock.now()))
        webhooks.changed(dead)
        last = f"{dead}_4"
        await asyncio.to_thread(receiver.until, lambda r: any(each.id == last for each in r), "what waited is told")
        await webhooks.close()
        delivered = told(receiver.requests(), "/hook/dead")[len(asked) :]
    assert [each.event["id"] for each in delivered] == [1, 2, 3, 4]
    healthy = (await house.endpoints(dead))[dead]
    assert (healthy.state, healthy.why, healthy.failing_since) == ("active", None, None)


async def until_it_is(house: House, endpoint_id: str, state: str) -> Endpoint:
    """The endpoint as the store has it, once it has that state there."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (found := (await house.endpoints(endpoint_id))[endpoint_id]).state != state:
            await asyncio.sleep(0.01)
    return found


def told(requests: list[Received], path: str) -> list[Received]:
    """What has come there."""
    return [each for each in requests if each.path == path]
