"""Logging in and out: what each of the platform's clients needs to see, and what it is told when it may not."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import aiohttp
import pytest
from sqlalchemy import delete, select, text, update

from legato.auth import KeyPair, mint
from legato.sessions import Settings
from legato.store.schema import sessions, users
from legato.store.sessions import find_session
from legato.testing.waiting import PATIENCE_SECONDS

from .raw import Poller, Raw
from .stage import APPLICATION, Stage, quick, staged


class TestLoggingIn:
    async def test_the_answer_names_session_user_and_account(self, either: Stage) -> None:
        alice = await either.person("alice")
        client = await either.login("alice")
        (success,) = client.events
        assert success.type == "session:success"
        assert success.payload == {
            "body": {
                "id": client.id,
                "user_id": alice.id,
                "name": "alice",
                "api_key": "a1b2c3d4",
                "pending_events": [],
            }
        }
        assert success.offset is None
        assert success.frame.startswith('42["session:success",{')  # without an acknowledgement id

    async def test_the_session_is_written_down_before_the_client_is_told(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice", dialect="chat")
        stored = await stage.log.read(lambda database: find_session(database, str(client.id)))
        assert stored is not None
        assert (stored.dialect, stored.session_version) == ("chat", "0.0.3")
        assert stored.properties["sdk_name"] == "@vonage/client-sdk"
        assert stored.expires_at is None

    async def test_a_reconnect_keeps_what_only_the_first_handshake_said(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice", dialect="chat")
        first = client.id
        await client.drop()
        await client.login()
        assert client.id == first
        session = stage.sessions.registry.get(str(first))
        assert session is not None
        assert session.dialect == "chat"

    async def test_a_user_has_as_many_sessions_as_devices(self, stage: Stage) -> None:
        alice = await stage.person("alice")
        cid = await stage.conversation(alice)
        phone, laptop = await stage.login("alice"), await stage.login("alice", dialect="chat")
        assert phone.id != laptop.id
        await stage.emit(cid, "message", {"message_type": "text", "text": "hello"}, alice)
        await phone.hears("message")
        await laptop.hears("message")


class TestRefused:
    @pytest.mark.parametrize(
        ("dialect", "change", "code"),
        [
            ("classic", {"claims": {"sub": "nobody"}}, "user:error:not-found"),
            ("chat", {"claims": {"sub": "nobody"}}, "user:error:invalid-user"),
            ("classic", {"ttl": -60}, "system:error:expired-token"),
            ("chat", {"ttl": -60}, "system:error:expired-token"),
            ("classic", {"claims": {"application_id": "somebody-else"}}, "system:error:invalid-token"),
            ("classic", {"acl": {"paths": {"/*/users/**": {}}}}, "system:error:permission"),
        ],
    )
    async def test_a_token_that_will_not_do_is_answered_with_one_event(
        self, either: Stage, dialect: str, change: dict[str, Any], code: str
    ) -> None:
        await either.person("alice")
        query = {"SDK_name": "@vonage/client-sdk"} if dialect == "chat" else {}
        async with Raw(either.url, token=either.token("alice", **change), **query) as client:
            await client.connected()
            name, payload = await client.event()
            assert name == code
            assert payload["body"] == {}
            assert payload["description"]
            either.after(5)
            assert await client.read() == "41"
            either.after(2)
            await client.end()
        assert len(either.sessions.registry) == 0

    @pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
    async def test_what_is_no_token_is_invalid(self, stage: Stage, token: str) -> None:
        async with Raw(stage.url, token=token) as client:
            await client.connected()
            assert (await client.event())[0] == "system:error:invalid-token"

    async def test_an_application_has_no_sessions(self, stage: Stage) -> None:
        token = mint(stage.pair.private_key, APPLICATION, now=stage.clock.now())
        async with Raw(stage.url, token=token) as client:
            await client.connected()
            assert (await client.event())[0] == "system:error:permission"

    async def test_a_client_that_leaves_by_itself_gets_no_disconnect(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.connected()
            await client.event()
            await client.send("41")
            assert await client.end() == 1001

    async def test_nothing_a_refused_client_says_is_answered(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.connected()
            await client.event()
            await client.send('42["session:logout",{"tid":"t-1"}]', "2")
            assert await client.read() == "3"

    async def test_a_session_that_does_not_exist_is_invalid(self, stage: Stage) -> None:
        await stage.person("alice")
        unknown = "SES-00000000-0000-4000-8000-000000000000"
        async with Raw(stage.url, token=stage.token("alice"), session_id=unknown) as client:
            await client.connected()
            assert (await client.event())[0] == "session:error:invalid"

    async def test_somebody_elses_session_is_invalid(self, stage: Stage) -> None:
        await stage.person("alice")
        await stage.person("bob")
        alices = await stage.login("alice")
        async with Raw(stage.url, token=stage.token("bob"), session_id=str(alices.id)) as client:
            await client.connected()
            assert (await client.event())[0] == "session:error:invalid"
        assert alices.connected

    async def test_a_user_who_is_deleted_while_logging_in_is_refused(self, stage: Stage) -> None:
        alice = await stage.person("alice")
        await stage.login("alice")
        await stage.log.transact(
            lambda database: database.execute(delete(users).where(users.c.id == alice.id)) and None
        )
        # The token is still remembered, so only the transaction can find out.
        async with Raw(stage.url, token=stage.clients[0].token) as client:
            await client.connected()
            assert (await client.event())[0] == "user:error:not-found"

    async def test_sessions_that_end_during_a_login_have_its_token_looked_at_again(self, stage: Stage) -> None:
        alice = await stage.person("alice")
        await stage.login("alice")
        registry = stage.sessions.registry

        def away(database: Any) -> None:
            # Committed with the login's own transaction, after its token was found to be good.
            database.execute(delete(users).where(users.c.id != alice.id))

        async with Raw(stage.url, token=stage.clients[0].token) as client:
            await client.opening()
            await client.send("40")
            ending = stage.log.transact(away)
            registry.terminations += 1
            stage.authenticator.forget_application(APPLICATION)
            await ending
            await client.read()
            assert (await client.event())[0] == "session:success"


class TestOneOfMany:
    async def test_a_login_that_cannot_be_written_down_fails_alone(self, stage: Stage) -> None:
        await stage.person("alice")
        token = (await stage.login("alice")).token
        curse = """
            CREATE TRIGGER curse BEFORE INSERT ON sessions WHEN NEW.session_version = 'cursed'
            BEGIN SELECT RAISE(ABORT, 'cursed'); END
        """
        await stage.log.transact(lambda database: database.execute(text(curse)) and None)
        go = threading.Event()
        holding = asyncio.create_task(stage.log.transact(lambda _database: go.wait()))
        desk = stage.sessions._desk
        clients = [Raw(stage.url, token=token, session_version=version) for version in ("first", "a", "cursed", "b")]
        for client in clients:
            await client.__aenter__()
            await client.connected()
        await stage.until(lambda: len(desk._queue) == 3)
        go.set()
        await holding
        first, a, cursed, b = clients
        for client in (first, a, b):
            assert (await client.event())[0] == "session:success"
        assert await cursed.end() is None
        for client in clients:
            await client.socket.close()

    async def test_a_client_that_is_cut_by_its_own_admission_is_away(self, sqlite_url: str, pair: KeyPair) -> None:
        settings = quick(max_buffered=1)
        async with staged(sqlite_url, pair, settings=settings) as stage, aiohttp.ClientSession() as http:
            await stage.person("alice")
            poller = Poller(http, stage.url, token=stage.token("alice"))
            await poller.open()
            await poller.post("40")  # its answer fills the buffer
            away = select(sessions.c.id).where(sessions.c.expires_at.is_not(None))
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await stage.log.read(lambda database: database.execute(away).first()) is None:
                    pass
            assert len(stage.sessions.registry) == 0


class TestTooMany:
    async def test_one_session_too_many_is_refused(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=Settings(max_sessions_per_user=2)) as stage:
            await stage.person("alice")
            await stage.login("alice")
            await stage.login("alice")
            async with Raw(stage.url, token=stage.token("alice")) as client:
                await client.connected()
                assert (await client.event())[0] == "session:error:max-open-sessions"

    async def test_a_session_nobody_is_connected_to_gives_way(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=Settings(max_sessions_per_user=2)) as stage:
            await stage.person("alice")
            await stage.login("alice")
            reloaded = await stage.login("alice")
            await reloaded.drop()
            await stage.until(lambda: len(stage.sessions.registry) == 1)
            await stage.login("alice")
            ids = await stage.log.read(lambda database: list(database.execute(select(sessions.c.id)).scalars()))
            assert len(ids) == 2
            assert reloaded.id not in ids

    async def test_all_sessions_of_one_moment_count(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=Settings(max_sessions_per_user=2)) as stage:
            await stage.person("alice")
            clients = [Raw(stage.url, token=stage.token("alice")) for _ in range(5)]
            for client in clients:
                await client.__aenter__()
            for client in clients:
                await client.connected()
            answers = sorted([(await client.event())[0] for client in clients])
            assert answers == ["session:error:max-open-sessions"] * 3 + ["session:success"] * 2
            for client in clients:
                await client.socket.close()


class TestLoggingOut:
    async def test_a_logout_is_answered_with_its_request_id_and_ends_the_session(self, either: Stage) -> None:
        await either.person("alice")
        client = await either.login("alice")
        await client.send('42["session:logout",{"tid":"t-1","body":{}}]')
        answer = await client.hears("session:logged-out")
        assert answer.payload == {"rid": "t-1", "body": {}}
        assert await either.log.read(lambda database: find_session(database, str(client.id))) is None
        async with Raw(either.url, token=client.token, session_id=str(client.id)) as again:
            await again.connected()
            assert (await again.event())[0] == "session:error:invalid"

    async def test_a_logout_that_is_not_waited_for_ends_the_session_too(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice")
        await client.send('42["session:logout",{"tid":"t-1","body":{}}]')
        await client.drop()
        while await stage.log.read(lambda database: find_session(database, str(client.id))) is not None:
            pass

    async def test_a_connection_that_took_the_session_over_during_the_logout_ends_with_it(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice")
        async with Raw(stage.url, token=client.token, session_id=str(client.id)) as second:
            session = stage.sessions.registry.get(str(client.id))
            assert session is not None
            await second.connected()
            assert (await second.event())[0] == "session:success"
            stage.sessions.log_out(session.connection, session, "t-1")
            assert (await second.event())[0] == "session:terminated"
            assert await second.read() == "41"

    async def test_a_client_that_stays_after_its_logout_is_let_go(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice")
        await client.send('42["session:logout",{"tid":"t-1","body":{}}]')
        await client.hears("session:logged-out")
        stage.after(5)
        await client.gone()
        assert not client.disconnected

    async def test_disconnecting_is_no_logout(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice")
        session_id = client.id
        await client.send("41")
        await client.gone()
        await client.login()
        assert client.id == session_id


class TestAway:
    async def test_a_session_waits_for_its_client_for_a_while(self, stage: Stage) -> None:
        await stage.person("alice")
        client = await stage.login("alice")
        await client.drop()
        await stage.until(lambda: len(stage.sessions.registry) == 0)
        while (stored := await stage.log.read(lambda database: find_session(database, str(client.id)))) is None or (
            stored.expires_at is None
        ):
            pass
        assert stored.expires_at == stage.clock.now() + 15 * 60
        stage.after(15 * 60 + 60)
        while await stage.log.read(lambda database: find_session(database, str(client.id))) is not None:
            pass

    async def test_after_a_restart_everybody_is_away(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair) as stage:
            await stage.person("alice")
            client = await stage.login("alice")
            # As a server that is killed leaves it: nobody wrote down that the client is gone.
            await stage.log.transact(
                lambda database: database.execute(update(sessions).values(expires_at=None)) and None
            )
            await stage.sessions._desk.start()
            stored = await stage.log.read(lambda database: find_session(database, str(client.id)))
            assert stored is not None
            assert stored.expires_at == stage.clock.now() + 15 * 60
