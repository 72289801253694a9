"""Coming back: nothing missed, nothing twice, in commit order, before anything live."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from legato.auth import KeyPair
from legato.events import Person
from legato.testing.session import Session

from .raw import Raw
from .stage import Stage, staged


def heard(client: Session) -> list[int]:
    """The offsets of the stored events that came, in the order in which they came."""
    return [int(one.offset) for one in client.events if one.offset is not None]


async def all_of(stage: Stage, client: Session, last: int) -> list[int]:
    """What the client heard, once it has heard commit ``last``."""
    await client.until(lambda: last in heard(client), f"commit {last}")
    return heard(client)


def forget(stage: Stage) -> None:
    """As after a busy hour: nothing of what was is in memory any more."""
    ring = stage.sessions.registry._ring
    size, ring._size = ring._size, 0
    ring.trim()
    ring._size = size


class TestOffset:
    async def test_a_stored_event_ends_with_its_commit_number_and_asks_for_no_acknowledgement(
        self, either: Stage
    ) -> None:
        alice = await either.person("alice")
        cid = await either.conversation(alice)
        client = await either.login("alice")
        await either.post(cid, "hello", alice)
        text = await client.hears("text")
        assert text.offset == str(either.sessions.registry.head)
        assert text.frame.startswith('42["text",{')
        assert text.frame.endswith(f',"{text.offset}"]')

    async def test_a_signal_has_no_offset(self, stage: Stage) -> None:
        alice, bob = await stage.person("alice"), await stage.person("bob")
        cid = await stage.conversation(alice, bob)
        client = await stage.login("bob")
        await stage.emit(cid, "text:typing:on", {"activity": 1}, alice)
        typing = await client.hears("text:typing:on")
        assert typing.offset is None
        assert typing.id is None


class TestResume:
    @pytest.fixture
    async def alice(self, stage: Stage) -> Person:
        return await stage.person("alice")

    async def test_what_was_missed_comes_first_and_once(self, stage: Stage, alice: Person) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await stage.post(cid, "before", alice)
        await client.hears("text")
        await client.drop()
        for number in range(20):
            await stage.post(cid, f"missed {number}", alice)
        await client.login()
        await stage.post(cid, "live", alice)
        await all_of(stage, client, stage.sessions.registry.head)
        texts = [one.payload["body"]["text"] for one in client.heard("text")]
        assert texts == ["before", *(f"missed {number}" for number in range(20)), "live"]

    async def test_it_is_counted_where_what_was_missed_was_found(self, stage: Stage, alice: Person) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await stage.post(cid, "before", alice)
        await client.hears("text")
        counted = []
        for is_forgotten in (False, True):
            await client.drop()
            await stage.post(cid, "missed", alice)
            if is_forgotten:
                forget(stage)
            await client.login()
            await all_of(stage, client, stage.sessions.registry.head)
            figures = stage.sessions.figures()
            counted.append((figures.resumed_from_memory, figures.resumed_from_log))
        assert counted == [(1, 0), (1, 1)]
        assert (figures.connected, figures.logins_admitted, figures.logins_refused) == (1, 3, 0)

    async def test_the_answer_to_the_login_comes_before_what_was_missed(self, stage: Stage, alice: Person) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await client.drop()
        await stage.post(cid, "missed", alice)
        await client.login()
        await client.hears("text")
        assert [one.type for one in client.events] == ["session:success", "session:success", "text"]
        assert client.events[1].payload["body"]["pending_events"] == []

    async def test_a_client_that_had_heard_nothing_yet_hears_all_since_it_first_connected(
        self, stage: Stage, alice: Person
    ) -> None:
        cid = await stage.conversation(alice)
        async with Raw(stage.url, token=stage.token("alice")) as first:
            pid = (await first.connected())["pid"]
            session_id = str((await first.event())[1]["body"]["id"])
        await stage.post(cid, "missed", alice)
        async with Raw(stage.url, token=stage.token("alice"), session_id=session_id) as second:
            await second.connected(f'{{"pid":"{pid}"}}')
            assert (await second.event())[0] == "session:success"
            assert (await second.event())[1]["body"] == {"text": "missed"}

    async def test_several_conversations_come_in_the_order_of_their_commits(self, stage: Stage, alice: Person) -> None:
        bob = await stage.person("bob")
        cids = [await stage.conversation(alice, bob) for _ in range(3)]
        client = await stage.login("alice")
        await stage.post(cids[0], "before", bob)
        await client.hears("text")
        await client.drop()
        for number in range(12):
            await stage.post(cids[number % 3], f"{number}", bob)
        await client.login()
        await all_of(stage, client, stage.sessions.registry.head)
        assert [one.payload["body"]["text"] for one in client.heard("text")][1:] == [f"{n}" for n in range(12)]
        assert heard(client) == sorted(heard(client))

    async def test_only_what_the_user_was_a_member_for_comes(self, stage: Stage, alice: Person) -> None:
        bob = await stage.person("bob")
        cid = await stage.conversation(bob)
        other = await stage.conversation(bob)
        client = await stage.login("alice")
        await client.drop()
        await stage.post(cid, "before she came", bob)
        member = await stage.join(cid, alice)
        await stage.post(cid, "while she was there", bob)
        await stage.leave(cid, member, alice)
        await stage.post(cid, "after she went", bob)
        await stage.post(other, "never hers", bob)
        await stage.join(other, alice)
        await client.login()
        await all_of(stage, client, stage.sessions.registry.head)
        assert [one.type for one in client.events[2:]] == ["member:joined", "text", "member:left", "member:joined"]
        assert client.heard("text")[0].payload["body"] == {"text": "while she was there"}

    async def test_a_client_that_names_no_offset_hears_what_came_after_its_last_answered_ping(
        self, stage: Stage, alice: Person
    ) -> None:
        cid = await stage.conversation(alice)
        async with Raw(stage.url, token=stage.token("alice", ttl=3600)) as first:
            await first.connected()
            session_id = str((await first.event())[1]["body"]["id"])
            await stage.post(cid, "before the ping", alice)
            await first.event()
            stage.after(25)
            assert await first.read() == "2"
            await first.send("3")
            (socket,) = stage.sessions.endpoint.sockets.values()
            await stage.until(lambda: not socket._awaiting)
            await stage.post(cid, "after the ping", alice)
            await first.event()
        await stage.until(lambda: len(stage.sessions.registry) == 0)
        await stage.post(cid, "while away", alice)
        async with Raw(stage.url, token=stage.token("alice", ttl=3600), session_id=session_id) as second:
            await second.connected()
            assert (await second.event())[0] == "session:success"
            assert (await second.event())[1]["body"] == {"text": "after the ping"}
            assert (await second.event())[1]["body"] == {"text": "while away"}

    async def test_an_offset_from_the_future_misses_nothing_that_follows(self, stage: Stage, alice: Person) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await client.drop()
        client._offset = "999999999999"
        await client.login()
        await stage.post(cid, "live", alice)
        assert await client.hears("text")

    async def test_signals_for_one_session_wait_until_it_has_caught_up(self, stage: Stage, alice: Person) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        other = await stage.login("alice")
        await client.drop()
        for number in range(3):
            await stage.post(cid, f"{number}", alice)
        forget(stage)
        logging_in = asyncio.create_task(client.login())
        await stage.until(lambda: stage.sessions.registry._behind)
        await stage.signal_to(str(client.id), cid, "rtc:answer", {"rtc_id": "r", "answer": "v=0"})
        await logging_in
        await client.hears("rtc:answer")
        assert [one.type for one in client.events[2:]] == ["text", "text", "text", "rtc:answer"]
        assert not other.heard("rtc:answer")

    async def test_a_client_that_reads_while_the_log_is_read_for_it_hears_nothing_twice(
        self, stage: Stage, alice: Person
    ) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await client.drop()
        for number in range(3):
            await stage.post(cid, f"{number}", alice)
        forget(stage)
        logging_in = asyncio.create_task(client.login())
        await stage.until(lambda: stage.sessions.registry._behind)
        (connection,) = stage.sessions.endpoint.sockets.values()
        for _ in range(3):
            connection.on_writable()
        await logging_in
        await stage.post(cid, "live", alice)
        await all_of(stage, client, stage.sessions.registry.head)
        assert [one.payload["body"]["text"] for one in client.heard("text")] == ["0", "1", "2", "live"]

    async def test_what_is_committed_while_the_log_is_read_follows_what_was_missed(
        self, stage: Stage, alice: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await client.drop()
        for number in range(3):
            await stage.post(cid, f"{number}", alice)
        forget(stage)
        been_read, may_go_on = asyncio.Event(), asyncio.Event()
        catch_up = stage.sessions.registry._catch_up
        read_log = catch_up._read_log

        async def read_slowly(*arguments: Any) -> Any:
            pages = await read_log(*arguments)
            been_read.set()
            await may_go_on.wait()
            return pages

        monkeypatch.setattr(catch_up, "_read_log", read_slowly)
        logging_in = asyncio.create_task(client.login())
        await been_read.wait()
        for number in range(3, 6):
            await stage.post(cid, f"{number}", alice)
        may_go_on.set()
        await logging_in
        await stage.post(cid, "6", alice)
        await all_of(stage, client, stage.sessions.registry.head)
        assert [one.payload["body"]["text"] for one in client.heard("text")] == [f"{n}" for n in range(7)]

    async def test_a_log_that_cannot_be_read_sends_the_client_away_to_try_again(
        self, stage: Stage, alice: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        await client.drop()
        await stage.post(cid, "missed", alice)
        forget(stage)
        with monkeypatch.context() as broken:
            broken.setattr("legato.sessions.resume.missed_by", _broken)
            await client.login()
            await client.gone()
        assert not client.disconnected
        await client.login()
        assert await client.hears("text")

    async def test_a_batch_that_cannot_be_written_sends_everybody_to_resume(
        self, stage: Stage, alice: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cid = await stage.conversation(alice)
        client = await stage.login("alice")
        with monkeypatch.context() as broken:
            broken.setattr("legato.sessions.registry.plan", _broken)
            await stage.post(cid, "not written", alice)
            await client.gone()
        assert not client.disconnected
        await client.login()
        assert await client.hears("text")


class TestDeleted:
    """What was deleted while a client was away is not told to it any more."""

    @pytest.fixture
    async def alice(self, stage: Stage) -> Person:
        return await stage.person("alice")

    async def deleted(self, stage: Stage, cid: str, alice: Person) -> int:
        """A text that was edited twice and deleted; its id."""
        event = (await stage.post(cid, "secret 1", alice)).event
        assert event is not None
        for number in (2, 3):
            edit = {"text": f"secret {number}", "original_event_id": event.id}
            await stage.emit(cid, "text:update", edit, alice)
        await stage.delete(cid, event.id)
        return event.id or 0

    @pytest.mark.parametrize("from_memory", [True, False])
    async def test_who_comes_back_hears_of_the_deletion_and_not_the_words(
        self, stage: Stage, alice: Person, from_memory: bool
    ) -> None:
        cid = await stage.conversation(alice)
        classic, chat = await stage.login("alice"), await stage.login("alice", dialect="chat")
        for client in (classic, chat):
            await client.drop()
        event_id = await self.deleted(stage, cid, alice)
        if not from_memory:
            forget(stage)
        for client in (classic, chat):
            await client.login()
            assert (await client.hears("event:delete")).payload["body"] == {"event_id": event_id}
            assert not any("secret" in one.frame for one in client.events)
        ((text,), edits) = classic.heard("text"), classic.heard("text:update")
        assert text.payload["body"].keys() == {"timestamp"}
        assert [one.payload["body"] for one in edits] == [{"text": "", "original_event_id": event_id}] * 2
        (message,) = chat.heard("message")
        assert message.payload["body"]["text"] == ""

    async def test_what_another_client_was_told_before_the_deletion_is_not_repeated(
        self, stage: Stage, alice: Person
    ) -> None:
        cid = await stage.conversation(alice)
        early, late, last = [await stage.login("alice") for _ in range(3)]
        for client in (early, late, last):
            await client.drop()
        event = (await stage.post(cid, "secret", alice)).event
        assert event is not None
        forget(stage)
        await early.login()
        assert (await early.hears("text")).payload["body"] == {"text": "secret"}
        await stage.delete(cid, event.id)
        for client in (late, last):
            await client.login()
            await client.hears("event:delete")
            assert not any("secret" in one.frame for one in client.events)
            forget(stage)

    async def test_a_deletion_while_the_log_is_read_is_not_too_late(
        self, stage: Stage, alice: Person, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cid = await stage.conversation(alice)
        clients = [await stage.login("alice") for _ in range(2)]
        for client in clients:
            await client.drop()
        event = (await stage.post(cid, "secret", alice)).event
        assert event is not None
        forget(stage)
        been_read, may_go_on = asyncio.Event(), asyncio.Event()
        catch_up = stage.sessions.registry._catch_up
        read_log = catch_up._read_log

        async def read_slowly(*arguments: Any) -> Any:
            pages = await read_log(*arguments)
            been_read.set()
            await may_go_on.wait()
            return pages

        monkeypatch.setattr(catch_up, "_read_log", read_slowly)
        logging_in = asyncio.create_task(clients[0].login())
        await been_read.wait()
        await stage.delete(cid, event.id)
        may_go_on.set()
        await logging_in
        await clients[1].login()
        for client in clients:
            await client.hears("event:delete")
            assert not any("secret" in one.frame for one in client.events)


def _broken(*_arguments: object, **_options: object) -> object:
    raise RuntimeError("broken")


class TestFromTheLog:
    """The same after a restart, when memory holds nothing."""

    @pytest.fixture
    def url(self, database_url: str) -> str:
        return database_url

    async def test_nothing_is_lost_or_repeated_over_a_restart(self, url: str, pair: KeyPair) -> None:
        async with staged(url, pair) as first:
            alice, bob = await first.person("alice"), await first.person("bob")
            cids = [await first.conversation(alice, bob) for _ in range(3)]
            client = await first.login("alice")
            for number in range(10):
                await first.post(cids[number % 3], f"{number}", bob)
            await client.until(lambda: len(client.heard("text")) == 10, "ten texts")
            await client.drop()
            for number in range(10, 40):
                await first.post(cids[number % 3], f"{number}", bob)
        async with staged(url, pair) as second:
            client.url = second.url
            client.token = second.token("alice")
            second.clients.append(client)
            await client.login()
            await second.post(cids[0], "40", bob)
            await client.until(lambda: len(client.heard("text")) >= 41, "all texts")
            assert [one.payload["body"]["text"] for one in client.heard("text")] == [f"{n}" for n in range(41)]
            assert heard(client) == sorted(set(heard(client)))

    async def test_pages_follow_each_other_without_a_gap(
        self, url: str, pair: KeyPair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("legato.sessions.resume.PAGE_EVENTS", 7)
        monkeypatch.setattr("legato.sessions.resume.PAGE_BYTES", 3000)
        async with staged(url, pair) as first:
            alice, bob = await first.person("alice"), await first.person("bob")
            cids = [await first.conversation(alice, bob) for _ in range(2)]
            client = await first.login("alice")
            await client.drop()
            for number in range(60):
                await first.post(cids[number % 3 == 0], f"{number}", bob)
        async with staged(url, pair) as second:
            client.url = second.url
            client.token = second.token("alice")
            second.clients.append(client)
            await client.login()
            for number in range(60, 80):
                await second.post(cids[0], f"{number}", bob)
            await client.until(lambda: len(client.heard("text")) >= 80, "all texts")
            assert [one.payload["body"]["text"] for one in client.heard("text")] == [f"{n}" for n in range(80)]

    async def test_many_come_back_at_once(self, url: str, pair: KeyPair) -> None:
        async with staged(url, pair) as first:
            people = [await first.person(f"user{number}") for number in range(30)]
            cids = [await first.conversation(*people[start : start + 10]) for start in (0, 10, 20)]
            clients = [await first.login(person.name) for person in people]
            for client in clients:
                await client.drop()
            for number in range(20):
                await asyncio.gather(*(first.post(cid, f"{number}", people[10 * i]) for i, cid in enumerate(cids)))
        async with staged(url, pair) as second:
            for client, person in zip(clients, people, strict=True):
                client.url, client.token = second.url, second.token(person.name)
                second.clients.append(client)
            await asyncio.gather(*(client.login() for client in clients))
            for client in clients:
                await client.until(lambda client=client: len(client.heard("text")) == 20, "all texts")
                assert [one.payload["body"]["text"] for one in client.heard("text")] == [f"{n}" for n in range(20)]
