"""One stage per test: on SQLite, or on each store where the store is what is tested."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.wire.rest.stage import Stage, stage


@pytest.fixture
async def api(sqlite_url: str) -> AsyncIterator[Stage]:
    """The API on SQLite."""
    async with stage(sqlite_url) as made:
        yield made


@pytest.fixture
async def stored(database_url: str) -> AsyncIterator[Stage]:
    """The API on each store."""
    async with stage(database_url) as made:
        yield made
