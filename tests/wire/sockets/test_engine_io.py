"""Engine.IO, revision 4: handshake, long polling, websocket, upgrade, heartbeat, closing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from legato.auth import KeyPair
from legato.testing.waiting import PATIENCE_SECONDS

from .raw import Poller, Raw, address
from .stage import Stage, quick, staged


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


class TestHandshake:
    async def test_a_websocket_is_greeted_with_the_heartbeat_and_the_largest_payload(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            opening = await client.opening()
        assert opening.pop("sid")
        assert opening == {"upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 65536}

    async def test_long_polling_is_offered_the_upgrade(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        opening = await Poller(http, stage.url).open()
        assert opening["upgrades"] == ["websocket"]

    async def test_the_path_is_served_without_its_slash_too(self, stage: Stage) -> None:
        async with Raw(stage.url, path="/v2/rtc") as client:
            assert await client.opening()

    @pytest.mark.parametrize(
        ("query", "code", "message"),
        [
            ({"EIO": "3"}, 5, "Unsupported protocol version"),
            ({"EIO": "-"}, 5, "Unsupported protocol version"),
            ({"transport": "carrier-pigeon"}, 0, "Transport unknown"),
            ({"transport": "-"}, 0, "Transport unknown"),
            ({"sid": "unknown"}, 1, "Session ID unknown"),
            ({"session_version": "\0"}, 5, "Unsupported protocol version"),
        ],
    )
    async def test_a_wrong_query_is_refused_with_the_code_that_says_why(
        self, stage: Stage, http: aiohttp.ClientSession, query: dict[str, str], code: int, message: str
    ) -> None:
        status, body = await Poller(http, stage.url).get(**query)
        assert (status, body) == (400, f'{{"code":{code},"message":"{message}"}}')

    async def test_a_post_without_a_session_is_refused(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        status, body = await Poller(http, stage.url).post("40")
        assert (status, body) == (400, '{"code":2,"message":"Bad handshake method"}')

    async def test_other_methods_are_refused(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        async with http.put(address(stage.url, EIO="4", transport="polling")) as answer:
            assert answer.status == 400

    @pytest.mark.parametrize(
        "query",
        [{"EIO": "3"}, {"transport": "polling"}, {"sid": "unknown"}, {"session_id": "\0"}, {"SDK_name": "a\0b"}],
    )
    async def test_a_websocket_with_a_wrong_query_is_refused(self, either: Stage, query: dict[str, str]) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with Raw(either.url, **query):
                pass
        assert refused.value.response.status_code in (400, 403)
        assert not either.sessions.endpoint.sockets

    async def test_a_websocket_elsewhere_is_not_found(self, stage: Stage) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with Raw(stage.url, path="/elsewhere"):
                pass
        assert refused.value.response.status_code == 404

    async def test_any_origin_may_connect(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        origin = {"Origin": "https://app.example"}
        async with http.get(address(stage.url, EIO="4", transport="polling"), headers=origin) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with http.get(address(stage.url, EIO="4", transport="wrong"), headers=origin) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with http.options(address(stage.url, EIO="4", transport="polling"), headers=origin) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Methods"]) == (204, "GET, POST, OPTIONS")
        async with http.ws_connect(address(stage.url, EIO="4", transport="websocket"), headers=origin) as socket:
            assert (await socket.receive_str())[0] == "0"

    async def test_a_full_server_refuses_new_sockets(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_sockets=1)) as stage:
            await stage.person("alice")
            client = await stage.login("alice")
            with pytest.raises(InvalidStatus) as refused:
                async with Raw(stage.url):
                    pass
            assert refused.value.response.status_code == 503
            assert client.connected

    async def test_whoever_does_not_log_in_gives_way_when_the_server_is_full(
        self, sqlite_url: str, pair: KeyPair, http: aiohttp.ClientSession
    ) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_sockets=3)) as stage:
            await stage.person("alice")
            first = await stage.login("alice")
            async with Raw(stage.url) as oldest, Raw(stage.url) as older:
                await oldest.opening()
                await older.connected()
                assert (await older.event())[0] == "system:error:invalid-token"
                poller = Poller(http, stage.url)
                await poller.open()
                assert await oldest.end() is None
                second, third = await stage.login("alice"), await stage.login("alice")
                assert await older.end() is None
                assert (await poller.get())[0] == 400
            assert [each.connected for each in (first, second, third)] == [True] * 3
            assert not stage.sessions.endpoint.strangers

    async def test_compression_is_declined(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            assert client.socket.protocol.extensions == []


class TestLongPolling:
    async def test_packets_written_meanwhile_come_together(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        assert await poller.post("40/elsewhere,\x1e40/nowhere,") == (200, "ok")
        assert await poller.packets() == [
            '44/elsewhere,{"message":"Invalid namespace"}',
            '44/nowhere,{"message":"Invalid namespace"}',
        ]

    async def test_a_get_waits_until_there_is_a_packet(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        waiting = asyncio.create_task(poller.packets())
        await _is_waiting(stage, poller)
        await poller.post("40/elsewhere,")
        assert await waiting == ['44/elsewhere,{"message":"Invalid namespace"}']

    async def test_a_second_get_ends_the_socket(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        waiting = asyncio.create_task(poller.packets())
        await _is_waiting(stage, poller)
        status, _ = await poller.get()
        assert status == 400
        assert await waiting == ["1"]
        assert not stage.sessions.endpoint.sockets

    async def test_a_client_that_hangs_up_while_it_waits_can_ask_again(
        self, stage: Stage, http: aiohttp.ClientSession
    ) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        waiting = asyncio.create_task(poller.packets())
        await _is_waiting(stage, poller)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        transport = stage.sessions.endpoint.sockets[poller.sid].transport
        await stage.until(lambda: transport._waiting is None)
        await poller.post("40/elsewhere,")
        assert await poller.packets() == ['44/elsewhere,{"message":"Invalid namespace"}']

    async def test_a_close_packet_ends_the_socket(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        await poller.post("1")
        assert await poller.get() == (400, '{"code":1,"message":"Session ID unknown"}')

    async def test_an_unknown_packet_ends_the_socket(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        await poller.post("abc")
        assert (await poller.get())[0] == 400

    async def test_a_binary_packet_ends_the_socket(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        await poller.post("bAQIDBA==")
        assert (await poller.get())[0] == 400

    async def test_a_payload_over_the_bound_ends_the_socket(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        status, _ = await poller.post("4" + "x" * 65536)
        assert status == 413
        assert (await poller.get())[0] == 400

    async def test_a_socket_is_pinged_over_long_polling(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        await stage.person("alice")
        poller = Poller(http, stage.url, token=stage.token("alice"))
        await poller.open()
        await poller.post("40")
        while not any("session:success" in packet for packet in await poller.packets()):
            pass
        stage.after(25)
        assert await poller.packets() == ["2"]
        await poller.post("3")
        stage.after(20)
        assert poller.sid in stage.sessions.endpoint.sockets


class TestUpgrade:
    async def test_a_websocket_takes_over_and_nothing_is_lost(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        waiting = asyncio.create_task(poller.packets())
        await _is_waiting(stage, poller)
        async with Raw(stage.url, sid=poller.sid) as client:
            await client.send("2probe")
            assert await client.read() == "3probe"
            assert await waiting == ["6"]
            await poller.post("40/elsewhere,")
            await client.send("5")
            assert await client.read() == '44/elsewhere,{"message":"Invalid namespace"}'
            await client.send("40/nowhere,")
            assert await client.read() == '44/nowhere,{"message":"Invalid namespace"}'
            assert (await poller.get())[0] == 400

    async def test_a_get_during_the_probe_is_let_go(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        async with Raw(stage.url, sid=poller.sid) as client:
            await client.send("2probe")
            await client.read()
            assert await poller.packets() == ["6"]

    async def test_a_probe_that_says_something_else_is_dropped(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        async with Raw(stage.url, sid=poller.sid) as client:
            await client.send("40")
            await client.end()
        await poller.post("40/elsewhere,")
        assert await poller.packets() == ['44/elsewhere,{"message":"Invalid namespace"}']

    async def test_a_second_probe_is_refused(self, stage: Stage, http: aiohttp.ClientSession) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        async with Raw(stage.url, sid=poller.sid):
            with pytest.raises(InvalidStatus):
                async with Raw(stage.url, sid=poller.sid):
                    pass

    async def test_a_websocket_is_not_upgraded_again(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            sid = str((await client.opening())["sid"])
            with pytest.raises(InvalidStatus):
                async with Raw(stage.url, sid=sid):
                    pass

    async def test_a_probe_that_goes_nowhere_ends_with_the_next_ping(
        self, stage: Stage, http: aiohttp.ClientSession
    ) -> None:
        poller = Poller(http, stage.url)
        await poller.open()
        await poller.post("40")
        async with Raw(stage.url, sid=poller.sid) as client:
            stage.after(25)
            await client.end()
        assert poller.sid in stage.sessions.endpoint.sockets


class TestHeartbeat:
    async def test_a_client_that_answers_pings_stays(self, either: Stage) -> None:
        await either.person("alice")
        async with Raw(either.url, token=either.token("alice", ttl=3600)) as client:
            await client.connected()
            await client.event()
            (socket,) = either.sessions.endpoint.sockets.values()
            for _ in range(5):
                either.after(25)
                assert await client.read() == "2"
                await client.send("3")
                await either.until(lambda: not socket._awaiting)
            assert len(either.sessions.registry) == 1

    async def test_a_client_that_does_not_answer_is_cut(self, either: Stage) -> None:
        await either.person("alice")
        async with Raw(either.url, token=either.token("alice", ttl=3600)) as client:
            await client.connected()
            await client.event()
            either.after(25)
            assert await client.read() == "2"
            either.after(20)
            await client.end()
        assert not either.sessions.endpoint.sockets

    async def test_a_ping_of_the_older_revision_is_answered(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            await client.send("2")
            assert await client.read() == "3"

    async def test_a_websocket_ping_is_answered(self, stage: Stage) -> None:
        async with Raw(stage.url) as client, asyncio.timeout(PATIENCE_SECONDS):
            await (await client.socket.ping())


class TestMalformed:
    @pytest.mark.parametrize("packet", ["", "9", "x", "0{}", "5", "4", "47", "4x", "43", "42", "42[]", "42{}", "42[1]"])
    async def test_a_malformed_packet_ends_the_connection(self, either: Stage, packet: str) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.send(packet)
            await client.end()
        assert not either.sessions.endpoint.sockets

    async def test_a_binary_frame_ends_the_connection(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.send(b"\x04abc")
            assert await client.end() == 1003

    async def test_a_frame_over_the_bound_ends_the_connection(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.send("4" + "x" * 70000)
            assert await client.end() == 1009

    async def test_a_message_in_pieces_is_put_together(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.socket.send(["40/else", "whe", "re,"])
            assert await client.read() == '44/elsewhere,{"message":"Invalid namespace"}'

    async def test_pieces_that_together_are_over_the_bound_end_the_connection(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            await client.socket.send(["4" + "x" * 40000, "x" * 40000])
            assert await client.end() == 1009

    async def test_broken_utf_8_ends_the_connection(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            await client.socket.send(b'42["a","\xff"]', text=True)
            await client.end()
        assert not stage.sessions.endpoint.sockets

    async def test_too_many_packets_end_the_connection(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_packets=20)) as stage, Raw(stage.url) as client:
            await client.opening()
            await client.send(*["6"] * 20)
            await client.send("2")
            await client.end()
            assert not stage.sessions.endpoint.sockets

    async def test_too_many_pings_end_the_connection(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_packets=20)) as stage, Raw(stage.url) as client:
            await client.opening()
            client.socket.transport.write(b"\x89\x80\0\0\0\0" * 21)
            await client.end()
            await stage.until(lambda: not stage.sessions.endpoint.sockets)

    async def test_a_message_in_too_many_empty_pieces_ends_the_connection(self, sqlite_url: str, pair: KeyPair) -> None:
        async with staged(sqlite_url, pair, settings=quick(max_packets=20)) as stage, Raw(stage.url) as client:
            await client.opening()
            client.socket.transport.write(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 21)
            await client.end()
            await stage.until(lambda: not stage.sessions.endpoint.sockets)

    async def test_bytes_that_are_no_frame_end_the_connection(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            client.socket.transport.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await client.end() == 1002

    async def test_bytes_that_come_one_by_one_are_a_packet_in_the_end(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            payload = b"40/elsewhere,"
            for byte in b"\x81" + bytes([0x80 | len(payload)]) + b"\0\0\0\0" + payload:
                client.socket.transport.write(bytes([byte]))
                await asyncio.sleep(0)
            assert await client.read() == '44/elsewhere,{"message":"Invalid namespace"}'


class TestClosing:
    async def test_a_close_frame_is_answered(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.socket.close(code=1000)
            assert client.socket.close_code == 1000
        await either.until(lambda: not either.sessions.endpoint.sockets)

    async def test_a_close_packet_ends_the_connection(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.send("1")
            assert await client.end() == 1001

    async def test_a_lost_connection_leaves_nothing_behind(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            client.socket.transport.abort()
            await either.until(lambda: not either.sessions.endpoint.sockets)

    async def test_the_server_says_goodbye_when_it_stops(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            either.sessions.endpoint.close()
            assert await client.end() == 1001


async def _is_waiting(stage: Stage, poller: Poller) -> None:
    transport = stage.sessions.endpoint.sockets[poller.sid].transport
    await stage.until(lambda: transport._waiting is not None)


async def test_the_sockets_are_tested_on_the_servers_event_loop() -> None:
    assert type(asyncio.get_running_loop()).__module__ == "uvloop"
