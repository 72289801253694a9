"""Attempts to come in from one address, at a running server."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from legato.testing.server import Answer, Application, Server
from legato.testing.session import Session

# Three failures, and then one in a thousand seconds.
FEW = {"LEGATO_ADDRESS_RATE": "0.001", "LEGATO_ADDRESS_BURST": "3"}
THEIRS = "203.0.113.7"


def ask(server: Server, token: str, *, from_: str = THEIRS, path: str = "/v1/users", **fields: str) -> Answer:
    """A request that comes through a trusted proxy."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    headers = {"X-Forwarded-For": from_, "Authorization": token if " " in token else f"Bearer {token}", **fields}
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    answer = Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read())
    connection.close()
    return answer


def exhaust(server: Server, application: Application, from_: str = THEIRS) -> None:
    for number in range(3):
        assert ask(server, application.token()[:-8] + f"{number:08}", from_=from_).status == 401


async def knock(server: Server, token: str, from_: str = THEIRS, **more: str) -> Any:
    query = urlencode({"EIO": "4", "transport": "websocket", "token": token, **more})
    address = f"{server.url.replace('http', 'ws', 1)}/v2/rtc/?{query}"
    return await connect(address, additional_headers={"X-Forwarded-For": from_})


async def refused(server: Server, token: str, from_: str = THEIRS) -> InvalidStatus:
    with pytest.raises(InvalidStatus) as caught:
        await knock(server, token, from_)
    return caught.value


def refusals(server: Server) -> int:
    text = server.request("GET", "/metrics").body.decode()
    (line,) = [line for line in text.splitlines() if line.startswith('legato_rate_limited_total{limit="address"}')]
    return int(float(line.split()[1]))


@pytest.fixture
def strict(make_server: Callable[..., Server]) -> Server:
    return make_server(settings=FEW)


async def test_wrong_tokens_are_refused_before_they_are_verified_and_known_ones_pass(strict: Server) -> None:
    application = strict.application()
    strict.user(application, "alice")
    known, unknown, of_alice = application.token(), application.token(), application.token("alice")
    assert ask(strict, known).status == 200
    exhaust(strict, application)
    answer = ask(strict, unknown)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 900
    assert b"http:error:too-many-requests" in answer.body
    assert (await refused(strict, of_alice)).response.status_code == 429
    assert int((await refused(strict, of_alice)).response.headers["Retry-After"]) > 900
    polling = ask(strict, unknown, path=f"/v2/rtc/?EIO=4&transport=polling&token={of_alice}")
    assert (polling.status, "retry-after" in polling.headers) == (429, True)
    assert ask(strict, known).status == 200
    assert ask(strict, unknown, from_="203.0.113.8").status == 200
    assert ask(strict, unknown, path="/v1/ping").status == 200  # asks for nothing
    assert refusals(strict) == 4


def test_wrong_secrets_of_the_account_are_bounded(strict: Server) -> None:
    for _ in range(3):
        assert ask(strict, "Basic YTpi", path="/v2/applications").status == 401
    assert ask(strict, "Basic YTpi", path="/v2/applications").status == 429
    assert ask(strict, "", path="/v2/applications?api_key=a&api_secret=b").status == 429
    assert strict.request("GET", "/v2/applications", basic=True).status == 200  # from elsewhere


def test_the_word_of_whoever_is_no_trusted_proxy_counts_for_nothing(make_server: Callable[..., Server]) -> None:
    server = make_server(settings={**FEW, "LEGATO_TRUSTED_PROXIES": "192.0.2.0/24"})
    application = server.application()
    for number in range(3):
        assert ask(server, "wrong", from_=f"203.0.113.{number}").status == 401
    assert ask(server, application.token(), from_="203.0.113.99").status == 429


def test_neighbours_in_an_ipv6_network_are_one_place(strict: Server) -> None:
    for number in range(3):
        assert ask(strict, "wrong", from_=f"2001:db8::{number}").status == 401
    assert ask(strict, "wrong", from_="2001:db8:0:0:ffff::").status == 429
    assert ask(strict, "wrong", from_="2001:db8:0:1::").status == 401


async def test_sockets_on_which_nobody_logs_in_are_bounded_and_the_others_are_not(strict: Server) -> None:
    application = strict.application()
    strict.user(application, "alice")
    for _ in range(5):
        session = await Session(strict.url, application.token("alice")).login()
        await session.drop()
        await session.login()
        await session.close()
    silent = [await knock(strict, application.token("alice")) for _ in range(3)]
    assert (await refused(strict, application.token("alice"))).response.status_code == 429
    await asyncio.gather(*(socket.close() for socket in silent))


async def test_clients_whose_tokens_were_good_once_keep_nobody_out(strict: Server) -> None:
    application = strict.application()
    strict.user(application, "alice")
    late = [application.token("alice", ttl=60.0 + number, now=1_700_000_000.0) for number in range(8)]
    for token in late:
        assert ask(strict, token, from_="127.0.0.1").status == 401
        session = Session(strict.url, token)
        with pytest.raises(AssertionError, match="expired-token"):
            await session.login()
        await session.drop()
    for number in range(8):
        assert ask(strict, application.token(f"nobody-{number}"), from_="127.0.0.1").status == 401
    session = await Session(strict.url, application.token("alice")).login()
    await session.close()
    assert refusals(strict) == 0


async def test_a_room_of_100_behind_one_address_is_refused_nothing_by_default(
    make_server: Callable[..., Server],
) -> None:
    server = make_server()
    application = server.application()
    admin = application.token()
    cid = server.request("POST", "/v1/conversations", {}, token=admin).body["id"]
    names = [f"user-{number}" for number in range(100)]
    tokens = {name: application.token(name) for name in names}
    for name in names:
        member = {"user": {"name": name}, "state": "joined", "channel": {"type": "app"}}
        server.user(application, name)
        assert server.request("POST", f"/v1/conversations/{cid}/members", member, token=admin).status == 201
    sessions = [Session(server.url, tokens[name]) for name in names]
    await asyncio.gather(*(session.login() for session in sessions))

    path = f"/v1/conversations/{cid}/events"
    said = server.request("POST", path, {"type": "text", "body": {"text": "hello"}}, token=tokens[names[0]])
    await asyncio.gather(*(session.hears("text") for session in sessions))
    body = {"event_id": said.body["id"]}
    async with aiohttp.ClientSession() as client:

        async def receipt(name: str, kind: str) -> int:
            fields = {"Authorization": f"Bearer {tokens[name]}"}
            sent = {"type": f"text:{kind}", "body": body}
            async with client.post(server.url + path, json=sent, headers=fields) as reply:
                return reply.status

        asked = (receipt(name, kind) for name in names[1:] for kind in ("delivered", "seen"))
        assert set(await asyncio.gather(*asked)) == {201}
    assert refusals(server) == 0
    await asyncio.gather(*(session.close() for session in sessions))
