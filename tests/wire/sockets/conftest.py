"""One stage per test, over both ways in where that matters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from legato.auth import KeyPair, generate

from .stage import Stage, staged


@pytest.fixture(scope="session")
def pair() -> KeyPair:
    """The application's keys."""
    return generate()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty database."""
    return f"sqlite:///{tmp_path / 'legato.db'}"


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
