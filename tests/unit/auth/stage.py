"""A directory of applications and users in memory, and a clock moved by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from legato.auth import KeyRecord
from legato.events.envelope import Person

APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
OTHER = "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab"
START = 1_800_000_000
ALICE = Person("USR-aaaaaaaa-0000-4000-8000-000000000001", "alice")
BOB = Person("USR-aaaaaaaa-0000-4000-8000-000000000002", "bob")


@dataclass
class HandClock:
    seconds: float = START

    def now(self) -> float:
        return self.seconds


@dataclass
class MemoryDirectory:
    """Counts what it is asked, so that a test can tell remembering from asking."""

    keys: dict[str, KeyRecord] = field(default_factory=dict)
    users: dict[tuple[str, str], Person] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def application_key(self, application_id: str) -> KeyRecord | None:
        self.asked.append(application_id)
        return self.keys.get(application_id)

    async def user_by_name(self, application_id: str, name: str) -> Person | None:
        self.asked.append(name)
        return self.users.get((application_id, name))
