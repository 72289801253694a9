"""One stage per test, over both ways in where that matters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from legato.auth import KeyPair, generate

from .stage import Stage, staged


@pytest.hookimpl(optionalhook=True)
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The server's own event loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    """The application's keys."""
    return generate()


@pytest.fixture
async def stage(sqlite_url: str, pair: KeyPair) -> AsyncIterator[Stage]:
    """The server as it runs."""
    async with staged(sqlite_url, pair) as made:
        yield made


@pytest.fixture(params=["class", "asgi"])
async def either(request: pytest.FixtureRequest, sqlite_url: str, pair: KeyPair) -> AsyncIterator[Stage]:
    """The server over the protocol class, and over plain ASGI."""
    async with staged(sqlite_url, pair, way_in=request.param) as made:
        yield made
