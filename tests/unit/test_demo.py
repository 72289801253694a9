"""What ``legato dev`` sets up, at the first start and at later ones."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from legato.console import DemoAccess
from legato.demo import set_up_demo
from legato.events.ids import RandomIds
from legato.installation import Installation
from legato.log import Log
from legato.store import Store
from legato.store.applications import Application, read_application, replace_application
from legato.store.endpoints import Endpoint, change_endpoint, read_endpoint

FIRST = "http://127.0.0.1:8080"
LATER = "http://127.0.0.1:9090"


class Starts:
    """A directory in which ``legato dev`` is started again and again."""

    def __init__(self, log: Log, directory: Path) -> None:
        self.log = log
        self.directory = directory
        self.application_id = ""

    async def start(self, origin: str = FIRST) -> DemoAccess:
        access = await set_up_demo(
            self.log, Installation(self.directory, None), RandomIds(), host="127.0.0.1", origin=origin
        )
        self.application_id = access.application_id
        return access

    async def application(self) -> Application:
        found = await self.log.read(lambda connection: read_application(connection, self.application_id))
        assert found is not None
        return found

    async def endpoint(self) -> Endpoint:
        found = await self.log.read(lambda connection: read_endpoint(connection, self.application_id))
        assert found is not None
        return found

    async def choose(self, capabilities: dict[str, Any]) -> None:
        """As with PUT /v2/applications."""
        application = await self.application()
        change = partial(
            replace_application,
            application_id=application.id,
            name=application.name,
            capabilities=capabilities,
            privacy={},
            now=self.log.clock.now(),
        )
        await self.log.transact(change)


@pytest.fixture
async def starts(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Starts]:
    """An empty directory."""
    store = Store(sqlite_url)
    await store.open()
    log = Log(store)
    await log.start()
    yield Starts(log, tmp_path)
    await log.close()
    await store.close()


async def test_webhooks_of_the_demo_go_to_the_built_in_receiver(starts: Starts) -> None:
    access = await starts.start()
    assert access.hook == f"{FIRST}/console/hook"
    assert (await starts.endpoint()).url == access.hook


async def test_the_url_follows_the_port(starts: Starts) -> None:
    await starts.start()
    secret = (await starts.endpoint()).secret
    await starts.start(LATER)
    endpoint = await starts.endpoint()
    assert (endpoint.url, endpoint.secret) == (f"{LATER}/console/hook", secret)


async def test_a_demo_of_an_earlier_release_is_given_the_receiver_and_keeps_the_rest(starts: Starts) -> None:
    await starts.start()
    await starts.choose({"rtc": {"signed_callbacks": True}, "voice": {}})
    await starts.start()
    assert (await starts.endpoint()).url == f"{FIRST}/console/hook"
    capabilities = (await starts.application()).capabilities
    assert (capabilities["rtc"]["signed_callbacks"], capabilities["voice"]) == (True, {})


async def test_an_event_url_of_ones_own_stays(starts: Starts) -> None:
    await starts.start()
    mine = {"rtc": {"webhooks": {"event_url": {"address": "http://127.0.0.1:3000/events"}}}}
    await starts.choose(mine)
    await starts.start(LATER)
    assert (await starts.application()).capabilities == mine
    assert (await starts.endpoint()).url == "http://127.0.0.1:3000/events"


@pytest.mark.parametrize(("state", "failures"), [("active", 0), ("paused", 3)])
async def test_a_start_makes_due_what_waited_unless_it_was_paused(starts: Starts, state: str, failures: int) -> None:
    await starts.start()
    await starts.log.transact(
        lambda connection: change_endpoint(connection, starts.application_id, state=state, failures=3, due_at=9e9)
    )
    await starts.start()
    endpoint = await starts.endpoint()
    assert (endpoint.state, endpoint.failures) == (state, failures)
