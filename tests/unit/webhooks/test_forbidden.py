"""A callback that leads where nothing may be sent: a dead letter at once, which says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from legato.conversations import Caller, CreateConversation, JoinMember
from legato.conversations.user import User
from legato.events.ids import RandomIds
from legato.log import Log
from legato.outbound import Outbound
from legato.store import Store
from legato.store.attempts import DeadLetter, read_dead_letters
from legato.store.signature import SignatureSecrets
from legato.store.users import insert_user
from legato.testing.names import Names
from legato.testing.receiver import Receiver
from legato.webhooks import Signer, Webhooks

APPLICATION = "00000000-0000-4000-8000-000000000001"
SECONDS = 30.0
ids = RandomIds()

NAMES = {
    "loopback.example": "127.0.0.1",
    "six.example": "::1",
    "mapped.example": "::ffff:10.0.0.1",
    "scoped.example": "fe80::1%eth0",
    "metadata.example": "169.254.169.254",
    "carrier.example": "100.64.0.1",
    "translated.example": "64:ff9b::127.0.0.1",
    "odd.example": "127.1",
}
# Where each leads, and what the dead letter says of it.
FORBIDDEN = {
    "http://127.0.0.1:9/": "127.0.0.1 is a loopback address",
    "http://[::1]:9/": "::1 is the loopback address",
    "http://[::ffff:127.0.0.1]:9/": "::ffff:7f00:1 is a loopback address",
    "http://[64:ff9b::7f00:1]:9/": "64:ff9b::7f00:1 is a loopback address",
    "http://10.0.0.1/": "10.0.0.1 is a private address",
    "http://172.16.0.1/": "172.16.0.1 is a private address",
    "http://192.168.0.1/": "192.168.0.1 is a private address",
    "http://[fd00::1]/": "fd00::1 is",
    "http://100.64.0.1/": "100.64.0.1 is",
    "http://169.254.169.254/": "169.254.169.254 is",
    "http://[fe80::1]/": "fe80::1 is",
    "http://[fe80::1%25eth0]/": "%",
    "http://0.0.0.0/": "0.0.0.0 is",
    "http://255.255.255.255/": "255.255.255.255 is",
    "http://224.0.0.1/": "224.0.0.1 is",
    "http://[ff02::1]/": "ff02::1 is",
    "http://[2002:7f00:1::]/": "2002:7f00:1:: is",
    "http://[2001::1]/": "2001::1 is",
    "http://0x7f000001/": "a number and not an IPv4 address",
    "http://2130706433/": "a number and not an IPv4 address",
    "http://0177.0.0.1/": "a number and not an IPv4 address",
    "http://127.1/": "a number and not an IPv4 address",
    **{f"http://{name}/": f"{name} leads to" for name in NAMES},
}


@dataclass
class Desk:
    """A log whose conversations have callbacks, and how far their lanes have come."""

    log: Log
    saved: asyncio.Condition = field(default_factory=asyncio.Condition)
    owners: list[User] = field(default_factory=list)

    async def tell(self, url: str) -> str:
        """Something happens in a new conversation whose callback is ``url``; its id."""
        cid, by = f"CON-{ids.uuid()}", Caller(APPLICATION)
        await self.log.submit(CreateConversation(conversation_id=cid, by=by, name=cid, callback={"url": url}))
        [ada] = self.owners
        join = JoinMember(
            conversation_id=cid, by=by, member_id=f"MEM-{ids.uuid()}", user=ada.person, channel={"type": "app"}
        )
        await self.log.submit(join)
        return cid

    async def letters(self, cid: str) -> list[DeadLetter]:
        """The callback's dead letters, once there are any."""
        find = partial(read_dead_letters, endpoint_id=cid, before=None, limit=10)
        async with asyncio.timeout(SECONDS), self.saved:
            while not (found := await self.log.read(find)):
                await self.saved.wait()
        return found

    async def heard(self, _progress: object) -> None:
        """Lanes have come further."""
        async with self.saved:
            self.saved.notify_all()


Making = Callable[[Outbound], Awaitable[Desk]]


@pytest.fixture
async def desk_with(tmp_path: Path) -> AsyncIterator[Making]:
    """Makes a desk that sends through an ``Outbound``."""
    store = Store(f"sqlite:///{tmp_path / 'legato.db'}")
    await store.open()
    log = Log(store)
    await log.start()
    running: list[Webhooks] = []
    telling: set[asyncio.Task[None]] = set()

    async def make(outbound: Outbound) -> Desk:
        webhooks = Webhooks(
            read=log.read,
            write=log.transact,
            outbound=outbound,
            signer=Signer("key", SignatureSecrets("s" * 40), ids),
            clock=log.clock,
            ids=ids,
        )
        ada = User(id=f"USR-{ids.uuid()}", application_id=APPLICATION, name="ada", created_at=0)
        await log.transact(partial(insert_user, user=ada))
        desk = Desk(log, owners=[ada])

        def saved(progress: object) -> None:
            task = asyncio.create_task(desk.heard(progress))
            telling.add(task)
            task.add_done_callback(telling.discard)

        webhooks.watch(saved)
        log.tap(webhooks.hear)
        await webhooks.start()
        running.append(webhooks)
        return desk

    yield make
    for webhooks in running:
        await webhooks.close()
    await asyncio.gather(*telling)
    await log.close()
    await store.close()


async def test_every_form_of_a_forbidden_address_is_a_dead_letter_that_says_so(
    desk_with: Making,
) -> None:
    desk = await desk_with(Outbound(resolver=Names({name: [[address]] for name, address in NAMES.items()})))
    told = {url: await desk.tell(url) for url in FORBIDDEN}
    found = {url: [letter.reason for letter in await desk.letters(cid)] for url, cid in told.items()}
    wrong = {url: reasons for url, reasons in found.items() if not all(FORBIDDEN[url] in each for each in reasons)}
    assert not wrong


async def test_a_name_that_has_moved_where_nothing_may_be_sent_is_a_dead_letter(
    desk_with: Making,
) -> None:
    names = Names({"hook.example": [["127.0.0.1"], ["169.254.169.254"]]})
    desk = await desk_with(Outbound(resolver=names, dangerous_allow_private_addresses=True))
    with Receiver() as receiver:
        await desk.tell(f"http://hook.example:{receiver.port}/")
        await asyncio.to_thread(receiver.until, bool, "the first address is told")
        [letter, *_] = await desk.letters(await desk.tell("http://hook.example:9/"))
    assert "169.254.169.254 is a link-local address" in letter.reason
    assert names.asked == ["hook.example"] * 2
