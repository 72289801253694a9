"""Whatever happens to clients and server, each client hears its events once, in order, and none is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import insert

from legato.auth import Authenticator, KeyPair, StoredDirectory, generate, mint
from legato.conversations import Caller, CreateConversation, JoinMember, LeaveMember, Member, PostEvent
from legato.dialects import for_socket
from legato.events import Audience, Person, RandomIds, SystemClock
from legato.log import Delivery, Log
from legato.sessions import Limits, Sessions, Settings
from legato.store import Store
from legato.store.schema import applications, users
from legato.testing.waiting import PATIENCE_SECONDS

from .wire import Wire, event_in

APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
NAMES = ("alice", "bob", "carol")
PAIR: KeyPair = generate()
ids = RandomIds()
who = st.integers(0, len(NAMES) - 1)
where = st.integers(0, 1)


@dataclass
class Client:
    """One device: what it has heard over all its connections."""

    person: Person
    token: str
    dialect: str
    wire: Wire | None = None
    session_id: str = ""
    pid: str = ""
    offset: str = ""
    since: int = 0  # the log's last commit when it first logged in
    heard: list[int] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def take(self, count: int | None = None) -> None:
        """Reads so many packets, or all."""
        for text in self.wire.read(count) if self.wire is not None else ():
            if text.startswith("40"):
                self.pid = msgspec.json.decode(text[2:])["pid"]
            event = event_in(text)
            if event is None:
                continue
            name, payload, offset = event
            if name.startswith(("session:", "system:", "user:")):
                self.answers.append(name)
                if name == "session:success":
                    self.session_id = payload["body"]["id"]  # type: ignore[index]
            if offset is not None:
                self.heard.append(offset)
                self.offset = str(offset)


class Recovery(RuleBasedStateMachine):
    """Posts, joins and leaves, batches, cuts, slow readers, forgotten memory and restarts, in any order."""

    def __init__(self, new_database_url: Callable[[], str]) -> None:
        super().__init__()
        self.new_database_url = new_database_url

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.deliveries: list[Delivery] = []
        self.members: dict[tuple[int, int], Member] = {}
        self.run(self._begin())

    async def _begin(self) -> None:
        self.store = Store(self.new_database_url())
        await self.store.open()
        self.log = Log(self.store)
        self.log.tap(self.deliveries.extend)
        await self.log.start()
        clock = SystemClock()
        self.people = [Person(f"USR-{ids.uuid()}", name) for name in NAMES]
        await self.log.transact(self._populate)
        self.cids = [f"CON-{ids.uuid()}" for _ in range(2)]
        for cid in self.cids:
            await self.log.submit(CreateConversation(conversation_id=cid, by=Caller(APPLICATION), name=cid))
        for place, user in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)):
            await self._join(place, user)
        self.authenticator = Authenticator(StoredDirectory(self.log.read), clock, api_key="a1b2c3d4")
        await self._start()
        self.clients = [
            Client(person, mint(PAIR.private_key, APPLICATION, sub=person.name), dialect)
            for person, dialect in zip(
                (*self.people, self.people[0]), ("classic", "chat", "classic", "chat"), strict=True
            )
        ]
        for client in self.clients:
            client.since = self.sessions.registry.head
            await self._connect(client)

    def _populate(self, database: Any) -> None:
        database.execute(
            insert(applications),
            {
                "id": APPLICATION,
                "name": "recovery",
                "public_key": PAIR.public_key,
                "key_version": 1,
                "capabilities": {},
                "privacy": {},
                "settings": {},
                "created_at": 0.0,
            },
        )
        rows = [
            {
                "id": person.id,
                "application_id": APPLICATION,
                "name": person.name,
                "properties": {},
                "channels": {},
                "created_at": 0.0,
            }
            for person in self.people
        ]
        database.execute(insert(users), rows)

    async def _start(self) -> None:
        self.sessions = Sessions(
            log=self.log,
            authenticator=self.authenticator,
            render=for_socket,
            settings=Settings(limits=Limits(max_buffered=6_000)),
        )
        await self.sessions.start()

    # -- what happens ------------------------------------------------------------------------------------------------

    @rule(place=where, users=st.lists(who, min_size=1, max_size=8))
    def post(self, place: int, users: list[int]) -> None:
        """Some post at the same moment: mostly one batch."""
        self.run(_all(*(self._post(place, user) for user in users)))

    @rule(users=st.lists(who, min_size=2, max_size=6))
    def post_everywhere(self, users: list[int]) -> None:
        """A batch over both conversations."""
        self.run(_all(*(self._post(number % 2, user) for number, user in enumerate(users))))

    @rule(place=where, user=who)
    def join(self, place: int, user: int) -> None:
        self.run(self._join(place, user))

    @rule(place=where, user=who)
    def leave(self, place: int, user: int) -> None:
        member = self.members.pop((place, user), None)
        if member is not None:
            by = Caller(APPLICATION, self.people[user])
            self.run(self.log.submit(LeaveMember(conversation_id=self.cids[place], by=by, member_id=member.id)))

    @rule(device=st.integers(0, 3), count=st.integers(0, 6))
    def read_a_little(self, device: int, count: int) -> None:
        self.clients[device].take(count)

    @rule(device=st.integers(0, 3))
    def read_all(self, device: int) -> None:
        self.clients[device].take()

    @rule(device=st.integers(0, 3), count=st.integers(0, 6))
    def cut(self, device: int, count: int) -> None:
        """The network goes after the client has read a little of what was written."""
        client = self.clients[device]
        client.take(count)
        if client.wire is not None:
            client.wire.drop()
            client.wire = None

    @rule(device=st.integers(0, 3))
    def come_back(self, device: int) -> None:
        self.run(self._connect(self.clients[device]))

    @rule(device=st.integers(0, 3), users=st.lists(who, min_size=1, max_size=6), short=st.booleans())
    def come_back_while_others_post(self, device: int, users: list[int], short: bool) -> None:
        """What is missed is read, from memory or the log, while more is committed."""
        client = self.clients[device]
        if client.wire is not None:
            client.wire.drop()
            client.wire = None
        self.run(_all(*(self._post(number % 2, user) for number, user in enumerate(users))))
        if short:
            self.memory_is_short(keep=0)

        async def one_by_one() -> None:
            for number, user in enumerate(users):
                await self._post(number % 2, user)

        self.run(_all(self._connect(client, wait=False), one_by_one()))

    @rule(keep=st.integers(0, 3))
    def memory_is_short(self, keep: int) -> None:
        """As after a busy hour: only the last events are still in memory."""
        ring = self.sessions.registry._ring
        size, ring._size = ring._size, keep
        ring.trim()
        ring._size = size

    @rule()
    def restart(self) -> None:
        """Killed: nothing in memory survives, nobody is told."""
        for client in self.clients:
            client.wire = None
        self.run(self._restart())

    @invariant()
    def nothing_is_heard_twice_or_out_of_order(self) -> None:
        for client in self.clients:
            assert client.heard == sorted(set(client.heard))
            expected = set(self._expected(client))
            assert set(client.heard) <= expected

    def teardown(self) -> None:
        if not hasattr(self, "clients"):
            return
        try:
            for client in self.clients:
                self.run(self._settle(client))
                assert client.heard == self._expected(client)
                assert set(client.answers) == {"session:success"}
        finally:
            self.run(self._end())
            self.loop.close()

    # -- how it is done ----------------------------------------------------------------------------------------------

    def run(self, work: Any) -> Any:
        async def running() -> Any:
            result = await work
            for _ in range(3):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(running())

    def _expected(self, client: Client) -> list[int]:
        """What every client of that user must have heard: the log's own account of who heard what."""
        return [
            delivery.commit
            for delivery in self.deliveries
            if delivery.commit is not None
            and delivery.commit > client.since
            and client.person.id in delivery.audience
            and delivery.entry.audience is Audience.MEMBERS
            and for_socket(client.dialect, delivery.event) is not None  # type: ignore[arg-type] # a StrEnum's value
        ]

    async def _post(self, place: int, user: int) -> None:
        if (place, user) in self.members:
            by = Caller(APPLICATION, self.people[user])
            body = {"text": "x" * 40}
            await self.log.submit(PostEvent(conversation_id=self.cids[place], by=by, type="text", body=body))

    async def _join(self, place: int, user: int) -> None:
        if (place, user) not in self.members:
            person = self.people[user]
            receipt = await self.log.submit(
                JoinMember(
                    conversation_id=self.cids[place],
                    by=Caller(APPLICATION, person),
                    member_id=f"MEM-{ids.uuid()}",
                    user=person,
                    channel={"type": "app"},
                )
            )
            assert receipt.member is not None
            self.members[place, user] = receipt.member

    async def _connect(self, client: Client, *, wait: bool = True) -> None:
        if client.wire is not None and client.wire.is_open:
            return
        first = {"SDK_name": "@vonage/client-sdk"} if client.dialect == "chat" else {}
        query = {"session_id": client.session_id} if client.session_id else first
        client.wire = wire = Wire(self.sessions.endpoint, token=client.token, **query)
        said = {name: value for name, value in (("pid", client.pid), ("offset", client.offset)) if value}
        wire.send("40" + (msgspec.json.encode(said).decode() if said else ""))
        if not client.session_id or wait:
            logins = len(client.answers)
            await self._until(lambda: any("session:" in text for text in wire.unread) or not wire.is_open)
            if not client.session_id:
                client.take(3)
                assert len(client.answers) == logins + 1

    async def _settle(self, client: Client) -> None:
        """Reads everything there is, coming back whenever the connection was cut."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                await self._connect(client)
                client.take()
                expected = self._expected(client)
                if client.heard[-len(expected) :] == expected or len(client.heard) > len(expected):
                    return
                await asyncio.sleep(0.001)

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await asyncio.sleep(0.001)

    async def _restart(self) -> None:
        for socket in list(self.sessions.endpoint.sockets.values()):
            socket.cut("killed")
        await self.sessions.close()
        self.log._taps[:] = [self.deliveries.extend]
        await self._start()

    async def _end(self) -> None:
        await self.sessions.close()
        await self.log.close()
        await self.store.close()


async def _all(*works: Any) -> None:
    await asyncio.gather(*works)


EXAMPLES = {"sqlite": 15, "postgresql": 4}


def test_every_client_hears_its_events_once_and_in_order_whatever_happens(
    store: str, new_database_url: Callable[[], str]
) -> None:
    run_state_machine_as_test(
        lambda: Recovery(new_database_url),
        settings=settings(
            max_examples=EXAMPLES[store],
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
