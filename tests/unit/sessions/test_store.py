"""What sessions missed, read from the log: the same for many at once as for each alone, on both stores."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, insert

from legato.events import Event, encode_event
from legato.store import Store
from legato.store.resume import Missed, Want, missed_by
from legato.store.schema import conversations, events, members

APPLICATION = "application"


class Written:
    """A log written by hand: some conversations, whose members come and go."""

    def __init__(self, seed: int, count: int) -> None:
        chance = random.Random(seed)
        self.users = [f"USR-{number}" for number in range(6)]
        self.cids = [f"CON-{number}" for number in range(4)]
        self.rows = [(chance.choice(self.cids[:3]), commit) for commit in range(1, count + 1)]
        self.rows = [(cid if commit % 50 else self.cids[3], commit) for cid, commit in self.rows]
        self.last = {cid: [commit for other, commit in self.rows if other == cid] for cid in self.cids}
        self.spans: list[tuple[str, str, int, int | None]] = []
        for cid in self.cids:
            length = len(self.last[cid])
            for user in chance.sample(self.users, 4):
                since = chance.randint(1, max(1, length))
                until = chance.choice([None, None, chance.randint(since, max(since, length))])
                self.spans.append((cid, user, since, until))
                if until is not None and until < length:
                    self.spans.append((cid, user, until + 1, None))

    def write(self, database: Connection) -> None:
        """Everything into the tables."""
        for cid in self.cids:
            commits = self.last[cid]
            database.execute(
                insert(conversations),
                {
                    "id": cid,
                    "application_id": APPLICATION,
                    "name": cid,
                    "state": "ACTIVE",
                    "properties": {},
                    "numbers": [],
                    "timestamp": {},
                    "created_at": 0.0,
                    "sequence": len(commits),
                    "last_commit": commits[-1] if commits else 0,
                },
            )
        rows = [
            {
                "conversation_id": cid,
                "id": self.last[cid].index(commit) + 1,
                "commit_no": commit,
                "type": "text",
                "created_at": 0.0,
                "payload": encode_event(Event(type="text", body={"n": commit}, timestamp="", application_id="")),
            }
            for cid, commit in self.rows
        ]
        database.execute(insert(events), rows)
        spans = [
            {
                "id": f"MEM-{number}",
                "conversation_id": cid,
                "user_id": user,
                "state": "JOINED" if until is None else "LEFT",
                "channel": {},
                "timestamp": {},
                "initiator": {},
                "since": since,
                "until": until,
            }
            for number, (cid, user, since, until) in enumerate(self.spans)
        ]
        database.execute(insert(members), spans)

    def heard(self, user: str, after: int, head: int) -> list[int]:
        """What the user heard after one commit, up to another."""
        found = {
            commit
            for cid, who, since, until in self.spans
            if who == user
            for place, commit in enumerate(self.last[cid], 1)
            if after < commit <= head and since <= place and (until is None or place <= until)
        }
        return sorted(found)


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Store]:
    """An empty database."""
    made = Store(database_url)
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize(("seed", "count", "limit"), [(1, 200, 500), (2, 150, 7), (3, 900, 10)])
async def test_page_after_page_is_what_each_user_heard(opened: Store, seed: int, count: int, limit: int) -> None:
    written = Written(seed, count)
    await opened.write(written.write)
    chance = random.Random(seed)
    head = count - 5
    after = [chance.choice([0, chance.randint(0, count), count - 20]) for _ in range(20)]
    wants = [Want(APPLICATION, chance.choice(written.users), start) for start in after]
    heard: list[list[int]] = [[] for _ in wants]
    open_ = list(range(len(wants)))
    while open_:
        asked = [wants[place] for place in open_]
        pages: list[Missed] = await opened.read(
            lambda database, asked=asked: missed_by(database, asked, head=head, limit=limit)
        )
        for place, page in zip(list(open_), pages, strict=True):
            heard[place] += [row.commit for row in page.rows]
            assert page.up_to > wants[place].after or wants[place].after >= head
            wants[place] = Want(APPLICATION, wants[place].user_id, page.up_to)
            if page.up_to >= head:
                open_.remove(place)
    for place, want in enumerate(wants):
        assert heard[place] == written.heard(want.user_id, after[place], head)


async def test_another_application_has_missed_nothing(opened: Store) -> None:
    written = Written(1, 50)
    await opened.write(written.write)
    wants = [Want("another", user, 0) for user in written.users]
    pages = await opened.read(lambda database: missed_by(database, wants, head=50, limit=10))
    assert pages == [Missed([], 50)] * len(wants)
