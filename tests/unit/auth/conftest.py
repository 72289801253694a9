"""Keys made once, and an authenticator over two applications, one of which has the users alice and bob."""

from __future__ import annotations

import pytest

from legato.auth import Authenticator, KeyPair, KeyRecord, generate

from .stage import ALICE, APPLICATION, BOB, OTHER, HandClock, MemoryDirectory


@pytest.fixture(scope="session")
def pairs() -> tuple[KeyPair, KeyPair]:
    return generate(), generate()


@pytest.fixture(scope="session")
def pair(pairs: tuple[KeyPair, KeyPair]) -> KeyPair:
    return pairs[0]


@pytest.fixture(scope="session")
def other_pair(pairs: tuple[KeyPair, KeyPair]) -> KeyPair:
    return pairs[1]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def directory(pair: KeyPair, other_pair: KeyPair) -> MemoryDirectory:
    return MemoryDirectory(
        {APPLICATION: KeyRecord(pair.public_key, 1), OTHER: KeyRecord(other_pair.public_key, 1)},
        {(APPLICATION, "alice"): ALICE, (APPLICATION, "bob"): BOB},
    )


@pytest.fixture
def authenticator(directory: MemoryDirectory, clock: HandClock) -> Authenticator:
    return Authenticator(directory, clock, api_key="a1b2c3d4")
