"""Socket.IO, revision 5: namespaces, events and acknowledgements, by hand and with python-socketio's client."""

from __future__ import annotations

import asyncio
import logging

import pytest
import socketio

from legato.testing.waiting import PATIENCE_SECONDS

from .raw import Raw
from .stage import Stage


class TestConnecting:
    async def test_the_default_namespace_answers_with_its_ids(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            answer = await client.connected()
        assert set(answer) == {"sid", "pid"}

    async def test_a_token_is_not_needed_to_connect(self, stage: Stage) -> None:
        async with Raw(stage.url, token="") as client:
            assert await client.connected()
            assert (await client.event())[0] == "system:error:invalid-token"

    async def test_an_unknown_namespace_is_refused_and_the_default_one_still_answers(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.opening()
            await client.send("40/elsewhere,", '40/with-data,{"token":"1"}', "40/with-query?x=1,", "40")
            assert await client.read() == '44/elsewhere,{"message":"Invalid namespace"}'
            assert await client.read() == '44/with-data,{"message":"Invalid namespace"}'
            assert await client.read() == '44/with-query,{"message":"Invalid namespace"}'
            assert (await client.read()).startswith('40{"sid":')

    async def test_a_pid_is_given_back_to_the_client_that_brings_it(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            first = await client.connected()
        async with Raw(stage.url) as client:
            assert (await client.connected(f'{{"pid":"{first["pid"]}"}}'))["pid"] == first["pid"]
        async with Raw(stage.url) as client:
            assert (await client.connected('{"pid":"made up","offset":"-1"}'))["pid"] != "made up"

    async def test_connecting_twice_ends_the_connection(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.connected()
            await client.send("40")
            await client.end()

    async def test_an_event_before_connecting_ends_the_connection(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            await client.send('42["session:logout",{}]')
            await client.end()

    async def test_a_client_that_never_connects_is_let_go(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            stage.after(10)
            assert await client.end() == 1001

    async def test_disconnecting_ends_the_connection(self, either: Stage) -> None:
        async with Raw(either.url) as client:
            await client.connected()
            await client.send("41")
            await client.end()

    async def test_what_is_meant_for_other_namespaces_is_ignored(self, stage: Stage) -> None:
        async with Raw(stage.url) as client:
            await client.opening()
            await client.send("41/elsewhere,", '42/elsewhere,["x"]', "40")
            assert (await client.read()).startswith("40")


class TestEvents:
    @pytest.fixture(autouse=True)
    async def _alice(self, stage: Stage) -> None:
        await stage.person("alice")

    async def test_a_client_that_sends_events_is_told_where_they_go(self, stage: Stage) -> None:
        client = await stage.login("alice")
        await client.send('42["text",{"tid":"t-1","body":{"text":"hello"}}]')
        told = await client.hears("system:error:invalid-event")
        assert told.payload["rid"] == "t-1"
        await client.send('42["anything"]')
        await client.until(lambda: len(client.heard("system:error:invalid-event")) == 2, "a second answer")
        assert client.connected

    async def test_acknowledgements_are_taken_and_forgotten(self, stage: Stage) -> None:
        client = await stage.login("alice")
        await client.send("431[]")
        await client.send("43999999999999[]")
        await client.send('42["ping me"]')
        assert await client.hears("system:error:invalid-event")

    @pytest.mark.parametrize(
        "packet",
        [
            "451-[]",
            '451-["x",{"_placeholder":true,"num":0}]',
            "461-[]",
            '44{"message":"no"}',
            "43[]",
            "43" + "9" * 16 + "[]",
        ],
    )
    async def test_what_no_client_sends_ends_the_connection(self, stage: Stage, packet: str) -> None:
        client = await stage.login("alice")
        await client.send(packet)
        await client.gone()
        assert not client.disconnected

    async def test_json_that_is_nested_too_deep_ends_the_connection(self, stage: Stage) -> None:
        client = await stage.login("alice")
        await client.send("42" + "[" * 30000 + "]" * 30000)
        await client.gone()


class TestPythonSocketIo:
    @pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
    async def test_its_client_logs_in_hears_events_and_leaves(self, stage: Stage, transports: list[str]) -> None:
        alice = await stage.person("alice")
        cid = await stage.conversation(alice)
        logging.getLogger("socketio").setLevel(logging.CRITICAL)
        client = socketio.AsyncClient(reconnection=False)
        heard: list[tuple[str, object]] = []
        client.on("*", lambda name, *arguments: heard.append((name, arguments)))
        gone = asyncio.Event()
        client.on("disconnect", lambda reason: gone.set())
        url = f"{stage.url}?token={stage.token('alice')}&session_version=0.0.1"
        await client.connect(url, socketio_path="/v2/rtc", transports=transports)
        assert client.transport() == transports[-1]
        await stage.until(lambda: heard)
        assert heard[0][0] == "session:success"
        for number in range(20):
            await stage.post(cid, f"text {number}", alice)
        await stage.until(lambda: len(heard) == 21)
        texts = [arguments[0]["body"]["text"] for _, arguments in heard[1:]]
        assert texts == [f"text {number}" for number in range(20)]
        await client.emit("session:logout", {"tid": "t-1", "body": {}})
        await stage.until(lambda: heard[-1][0] == "session:logged-out")
        await client.disconnect()
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)
        await stage.until(lambda: not stage.sessions.endpoint.sockets)

    async def test_its_client_answers_pings(self, stage: Stage) -> None:
        await stage.person("alice")
        client = socketio.AsyncClient(reconnection=False)
        await client.connect(f"{stage.url}?token={stage.token('alice')}", socketio_path="/v2/rtc")
        (socket,) = stage.sessions.endpoint.sockets.values()
        await stage.until(lambda: socket.session is not None)
        for _ in range(3):
            stage.after(25)
            await stage.until(lambda: not socket._awaiting)
        assert client.connected
        await client.disconnect()

    async def test_its_client_sees_an_unknown_namespace_refused(self, stage: Stage) -> None:
        client = socketio.AsyncClient(reconnection=False)
        refused: list[object] = []
        client.on("connect_error", refused.append, namespace="/elsewhere")
        with pytest.raises(socketio.exceptions.ConnectionError):
            await client.connect(stage.url, socketio_path="/v2/rtc", namespaces=["/elsewhere"])
        assert refused == [{"message": "Invalid namespace"}]
        await client.disconnect()
