"""How sessions end, and how they do not: expiry and refresh, ending by others, replacement, slow clients, restarts."""

from __future__ import annotations

import asyncio
import socket as sockets
from types import SimpleNamespace

import aiohttp
import msgspec
import pytest

from legato.auth import KeyPair, Principal
from legato.events import Person
from legato.store.sessions import find_session

from .raw import Poller, Raw
from .stage import APPLICATION, PATH, Stage, quick, served, staged


async def principal(stage: Stage, name: str, ttl: float) -> Principal:
    """Who bears a fresh token of that user."""
    return await stage.authenticator.authenticate(stage.token(name, ttl=ttl))


@pytest.fixture
async def alice(stage: Stage) -> Person:
    """A user of the stage."""
    return await stage.person("alice")


@pytest.mark.usefixtures("alice")
class TestExpiry:
    async def test_a_client_whose_token_expires_is_warned_and_then_disconnected(self, stage: Stage) -> None:
        client = await stage.client("alice", ttl=20).login()
        await stage.passes(19)
        assert not client.heard("system:error:expired-token")
        await stage.passes(1)
        warning = await client.hears("system:error:expired-token")
        assert warning.payload["body"] == {}
        await stage.passes(29)
        assert not client.disconnected
        await stage.passes(1)
        await client.until(lambda: client.disconnected, "DISCONNECT")
        await stage.passes(2)
        await client.gone()

    async def test_a_session_whose_token_expired_can_be_resumed_with_a_new_one(self, stage: Stage) -> None:
        client = await stage.client("alice", ttl=5).login()
        session_id = client.id
        await stage.passes(5)
        await stage.passes(30)
        await client.until(lambda: client.disconnected, "DISCONNECT")
        await client.close()
        client.token = stage.token("alice", ttl=600)
        await client.login()
        assert client.id == session_id

    async def test_a_refreshed_session_goes_on(self, stage: Stage) -> None:
        client = await stage.client("alice", ttl=20).login()
        await stage.passes(20)
        await client.hears("system:error:expired-token")
        await stage.sessions.registry.refresh(str(client.id), await principal(stage, "alice", 600))
        await stage.passes(40)
        await client.send('42["are you there"]')
        assert await client.hears("system:error:invalid-event")
        assert not client.disconnected

    async def test_a_refresh_with_a_shorter_token_counts_too(self, stage: Stage) -> None:
        client = await stage.client("alice", ttl=3600).login()
        await stage.sessions.registry.refresh(str(client.id), await principal(stage, "alice", 3))
        await stage.passes(3)
        assert await client.hears("system:error:expired-token")

    async def test_nobody_refreshes_somebody_elses_session(self, stage: Stage) -> None:
        await stage.person("bob")
        client = await stage.client("alice", ttl=20).login()
        await stage.sessions.registry.refresh(str(client.id), await principal(stage, "bob", 600))
        await stage.sessions.registry.refresh("SES-unknown", await principal(stage, "bob", 600))
        await stage.passes(20)
        assert await client.hears("system:error:expired-token")

    async def test_a_clock_that_jumps_is_noticed_with_the_next_ping(self, stage: Stage) -> None:
        client = await stage.client("alice", ttl=3600).login()
        (connection,) = stage.sessions.endpoint.sockets.values()
        connection.session.expires_at -= 7200
        await stage.passes(25)
        assert await client.hears("system:error:expired-token")


@pytest.mark.usefixtures("alice")
class TestEndedByOthers:
    async def test_a_terminated_session_is_told_and_disconnected_and_gone(self, stage: Stage) -> None:
        client = await stage.login("alice")
        other = await stage.login("alice")
        assert await stage.sessions.registry.terminate(str(client.id), "ended over REST")
        ended = await client.hears("session:terminated")
        assert ended.payload == {"body": {"reason": "ended over REST"}}
        await client.until(lambda: client.disconnected, "DISCONNECT")
        assert await stage.log.read(lambda database: find_session(database, str(client.id))) is None
        assert other.connected
        assert not await stage.sessions.registry.terminate(str(client.id), "again")

    async def test_a_session_is_terminated_while_its_client_is_away(self, stage: Stage) -> None:
        client = await stage.login("alice")
        await client.drop()
        assert await stage.sessions.registry.terminate(str(client.id), "ended over REST")
        async with Raw(stage.url, token=client.token, session_id=str(client.id)) as again:
            await again.connected()
            assert (await again.event())[0] == "session:error:invalid"

    async def test_all_sessions_of_a_user_are_terminated(self, stage: Stage) -> None:
        await stage.person("bob")
        clients = [await stage.login("alice"), await stage.login("alice", dialect="chat")]
        bob = await stage.login("bob")
        await stage.sessions.registry.terminate_user(str(clients[0].user_id), "user deleted")
        for client in clients:
            await client.until(lambda client=client: client.disconnected, "DISCONNECT")
        assert bob.connected
        assert len(stage.sessions.registry) == 1

    async def test_all_sessions_of_an_application_are_terminated(self, stage: Stage) -> None:
        await stage.person("bob")
        clients = [await stage.login("alice"), await stage.login("bob")]
        await stage.sessions.registry.terminate_application("another", "key rotated")
        assert len(stage.sessions.registry) == 2
        await stage.sessions.registry.terminate_application(APPLICATION, "key rotated")
        for client in clients:
            await client.until(lambda client=client: client.disconnected, "DISCONNECT")
        assert len(stage.sessions.registry) == 0


class TestReplacement:
    async def test_a_second_connection_of_a_session_takes_its_place(self, either: Stage) -> None:
        alice = await either.person("alice")
        cid = await either.conversation(alice)
        client = await either.login("alice")
        async with Raw(either.url, token=client.token, session_id=str(client.id)) as second:
            await second.connected()
            assert (await second.event())[0] == "session:success"
            await client.gone()
            assert not client.disconnected  # the connection was closed, without DISCONNECT
            assert len(either.sessions.registry) == 1
            await either.post(cid, "for the second", alice)
            assert (await second.event())[1]["body"] == {"text": "for the second"}


class TestSlowClients:
    async def test_a_client_that_does_not_read_is_cut_and_loses_nothing(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_buffered=200_000)) as stage:
            alice, bob = await stage.person("alice"), await stage.person("bob")
            cid = await stage.conversation(alice, bob)
            quicker = await stage.login("bob")
            slow = await _Stalled.connect(stage, "alice")
            session = stage.sessions.registry.get(slow.session_id)
            assert session is not None
            tcp = session.connection.transport._tcp.get_extra_info("socket")
            tcp.setsockopt(sockets.SOL_SOCKET, sockets.SO_SNDBUF, 4096)
            sent = 0
            while len(stage.sessions.registry) == 2:
                assert sent < 2000, "nobody cut the slow client"
                texts = [f"{sent + number} " + "x" * 2000 for number in range(50)]
                await asyncio.gather(*(stage.post(cid, text, bob) for text in texts))
                sent += len(texts)
            assert stage.sessions.figures().cut_slow == 1
            await quicker.until(lambda: len(quicker.heard("text")) == sent, "all of it")
            received = await slow.drain()
            client = stage.client("alice")
            client.id, client._pid, client._offset = slow.session_id, slow.pid, received[-1][1] if received else None
            await client.login()
            await client.until(lambda: len(received) + len(client.heard("text")) == sent, "the rest of it")
            ids = [number for number, _ in received] + client.stored(cid)
            assert ids == sorted(set(ids))

    async def test_long_polling_has_the_same_bound(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_buffered=20_000)) as stage:
            alice = await stage.person("alice")
            cid = await stage.conversation(alice)
            async with aiohttp.ClientSession() as http:
                poller = Poller(http, stage.url, token=stage.token("alice"))
                await poller.open()
                await poller.post("40")
                await stage.until(lambda: len(stage.sessions.registry) == 1)
                for number in range(30):
                    await stage.post(cid, f"{number} " + "x" * 1000, alice)
                assert (await poller.get())[0] == 400
                assert len(stage.sessions.registry) == 0
                assert stage.sessions.figures().cut_slow == 1


@pytest.mark.usefixtures("alice")
class TestRestart:
    async def test_a_server_that_stops_sends_no_disconnect(self, stage: Stage) -> None:
        client = await stage.login("alice")
        stage.sessions.endpoint.close()
        await client.gone()
        assert not client.disconnected

    async def test_uvicorn_stops_while_clients_are_connected(self, stage: Stage) -> None:
        async with served(stage.sessions, "class") as url:
            client = stage.client("alice")
            client.url = url
            await client.login()
            assert client.connected
        await client.gone()
        assert not client.disconnected

    async def test_a_closing_server_admits_nobody(self, stage: Stage) -> None:
        stage.sessions.endpoint.close()
        with pytest.raises(Exception, match="503"):
            async with Raw(stage.url):
                pass


class TestUvicorn:
    async def test_the_class_is_built_and_fed_as_we_expect(self, sessions_class: type) -> None:
        """The contract: keyword arguments, ``connection_made``, then the request's bytes, before anything else."""
        connections: set[object] = set()
        written: list[bytes] = []
        transport = SimpleNamespace(
            write=written.append,
            set_write_buffer_limits=lambda high: None,
            get_write_buffer_size=lambda: 0,
            close=lambda: written.append(b"CLOSED"),
            abort=None,
        )
        made = sessions_class(
            config=object(), server_state=SimpleNamespace(connections=connections), app_state={"anything": 1}
        )
        made.connection_made(transport)
        assert made in connections
        made.data_received(
            b"GET /v2/rtc/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n"
            b"connection: Upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert written[0].startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert b'0{"sid":"' in written[0]
        made.shutdown()
        assert written[-1] == b"CLOSED"
        made.connection_lost(None)
        assert made not in connections

    @pytest.fixture
    def sessions_class(self, stage: Stage) -> type:
        """The class uvicorn is given."""
        return stage.sessions.websocket_class


class _Stalled:
    """A client that logs in and then reads nothing: a plain TCP socket with a small window."""

    session_id: str
    pid: str

    def __init__(self, sock: sockets.socket) -> None:
        self._sock = sock
        self._bytes = b""

    @classmethod
    async def connect(cls, stage: Stage, name: str) -> _Stalled:
        loop = asyncio.get_running_loop()
        sock = sockets.socket()
        sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", int(stage.url.rsplit(":", 1)[1])))
        made = cls(sock)
        await loop.sock_sendall(
            sock,
            f"GET {PATH}?EIO=4&transport=websocket&token={stage.token(name)} HTTP/1.1\r\nHost: x\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode(),
        )
        while b'"sid"' not in made._bytes:
            made._bytes += await loop.sock_recv(sock, 4096)
        await loop.sock_sendall(sock, b"\x81\x82\0\0\0\x0040")
        while b"session:success" not in made._bytes or b"pending_events" not in made._bytes:
            made._bytes += await loop.sock_recv(sock, 4096)
        text = made._bytes.decode("latin-1")
        made.session_id = text[text.index("SES-") :][:40]
        made.pid = text[text.index('"pid":"') + 7 :].split('"')[0]
        return made

    async def drain(self) -> list[tuple[int, str]]:
        """Reads what the network still holds; (id, offset) of every whole event in it."""
        loop = asyncio.get_running_loop()
        rest = b""
        try:
            while data := await loop.sock_recv(self._sock, 1 << 20):
                rest += data
        except ConnectionError:
            pass
        self._sock.close()
        found, at = [], 0
        while at + 4 <= len(rest):
            size, header = rest[at + 1], 2
            if size == 126:
                size, header = int.from_bytes(rest[at + 2 : at + 4]), 4
            packet = rest[at + header : at + header + size]
            if len(packet) < size:
                break
            if packet.startswith(b"42"):
                _, payload, offset = msgspec.json.decode(packet[2:])
                found.append((payload["id"], offset))
            at += header + size
        return found
