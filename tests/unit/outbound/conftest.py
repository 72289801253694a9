"""Clients that are closed when their test is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvloop

from legato.outbound import Outbound

Making = Callable[..., Outbound]


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The server's own event loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def make() -> AsyncIterator[Making]:
    """Makes clients that may reach loopback, unless a test says otherwise."""
    made: list[Outbound] = []

    def one(**arguments: Any) -> Outbound:
        made.append(Outbound(**{"dangerous_allow_private_addresses": True, **arguments}))
        return made[-1]

    yield one
    for each in made:
        await each.close()


@pytest.fixture
def outbound(make: Making) -> Outbound:
    """A client that may reach loopback."""
    return make()


@pytest.fixture
def guarded(make: Making) -> Outbound:
    """A client as the server has it unless it is told otherwise."""
    return make(dangerous_allow_private_addresses=False)
