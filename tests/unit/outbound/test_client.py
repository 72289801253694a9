"""What is sent, and what comes back."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import pytest

from legato import __version__
from legato.outbound import Answer, Method, Outbound, OutboundError, Reason
from legato.testing.ca import Authority
from legato.testing.names import Names

from .conftest import Making
from .receiver import OK, Request, answering, endless, receiving

LONG = b"HTTP/1.1 500 No\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30000


async def ask(outbound: Outbound, url: str, method: Method = "POST", **arguments: Any) -> Answer:
    """One request, with all the time that a busy machine may need."""
    return await outbound.request(method, url, connect_seconds=20, total_seconds=20, **arguments)


async def test_a_request_arrives_as_it_was_given(outbound: Outbound) -> None:
    async with receiving(answering(OK)) as receiver:
        url = receiver.url("/hook/a%20b%2Fc?d=e%26f%2Bg&h")
        await ask(outbound, url, headers={"Content-Type": "application/json", "X-Name": "Zoë"}, body=b'{"a":1}')
    (request,) = receiver.requests
    assert request.line == "POST /hook/a%20b%2Fc?d=e%26f%2Bg&h HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.fields == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": f"Legato/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "content-length": "7",
        "x-name": "Zoë".encode().decode("latin-1"),
    }


@pytest.mark.parametrize("method", ["DELETE", "GET", "PATCH", "POST", "PUT"])
async def test_a_request_may_have_no_body(outbound: Outbound, method: Method) -> None:
    async with receiving(answering(OK)) as receiver:
        answer = await ask(outbound, receiver.url(), method)
    assert (answer.status, answer.body) == (200, b"ok")
    assert receiver.requests[0].line == f"{method} /hook HTTP/1.1"
    assert "content-type" not in receiver.requests[0].fields


async def test_the_answer_to_a_head_request_has_no_body(outbound: Outbound) -> None:
    async with receiving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")) as receiver:
        answers = [await ask(outbound, receiver.url(), "HEAD") for _ in range(2)]
    assert [(one.body, one.truncated, one.headers["content-length"]) for one in answers] == [(b"", False, "9")] * 2
    assert receiver.connections == 1


async def test_a_host_is_named_and_not_numbered(make: Making) -> None:
    outbound = make(resolver=Names({"hook.example": [["127.0.0.1"]]}))
    async with receiving(answering(OK)) as receiver:
        await ask(outbound, receiver.url(host="hook.example"))
    assert receiver.requests[0].fields["host"] == f"hook.example:{receiver.port}"


async def test_tls_is_asked_for_by_name_and_verified(make: Making, authority: Authority) -> None:
    identity = authority.issue("hook.example")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(identity.certificate, identity.key)
    asked: list[str | None] = []
    tls.sni_callback = lambda _, name, __: asked.append(name)
    outbound = make(resolver=Names({"hook.example": [["127.0.0.1"]]}), extra_authority=authority.certificate)
    async with receiving(answering(OK), tls=tls) as receiver:
        answers = [await ask(outbound, receiver.url(scheme="https", host="hook.example")) for _ in range(2)]
    assert [one.status for one in answers] == [200, 200]
    assert asked == ["hook.example"]
    assert receiver.connections == 1


async def test_what_a_receiver_says_about_coming_again_is_passed_on(outbound: Outbound) -> None:
    said = (
        b"HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Type: text/plain; charset=utf-8\r\nX-Other: 1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    async with receiving(answering(said)) as receiver:
        answer = await ask(outbound, receiver.url())
    assert answer.status == 503
    assert answer.headers == {
        "content-length": "0",
        "content-type": "text/plain; charset=utf-8",
        "retry-after": "120",
    }
    assert answer.seconds > 0


async def test_a_header_of_any_bytes_becomes_text(outbound: Outbound) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Type: \xff\xfe\r\nContent-Length: 0\r\n\r\n"
    async with receiving(answering(said)) as receiver:
        answer = await ask(outbound, receiver.url())
    assert answer.headers["content-type"].encode() == "\ufffd\ufffd".encode()


@pytest.mark.parametrize(("bound", "truncated"), [(0, True), (10, True), (29999, True), (30000, False), (10**9, False)])
async def test_of_a_long_body_the_beginning_is_kept(outbound: Outbound, bound: int, truncated: bool) -> None:
    async with receiving(answering(LONG)) as receiver:
        answer = await ask(outbound, receiver.url(), max_answer=bound)
    assert answer.body == b"x" * min(bound, 30000)
    assert answer.truncated is truncated


async def test_a_connection_is_used_again(outbound: Outbound) -> None:
    async with receiving(answering(OK)) as receiver:
        for _ in range(5):
            await ask(outbound, receiver.url())
    assert (len(receiver.requests), receiver.connections) == (5, 1)


async def test_a_connection_is_used_again_when_little_of_an_answer_is_left_over(outbound: Outbound) -> None:
    async def in_two_parts(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(LONG[:1000])
        for _ in range(50):  # turns of the loop that the client runs in too: it has read what was written
            await asyncio.sleep(0)
        writer.write(LONG[1000:])

    async with receiving(in_two_parts) as receiver:
        for _ in range(2):
            await ask(outbound, receiver.url(), max_answer=10)
    assert (len(receiver.requests), receiver.connections) == (2, 1)


async def test_an_answer_is_not_lost_when_what_is_left_over_does_not_come(outbound: Outbound) -> None:
    async with receiving(answering(LONG[:1000])) as receiver:
        answer = await outbound.request("POST", receiver.url(), connect_seconds=20, total_seconds=0.9, max_answer=10)
    assert (answer.status, answer.body, answer.truncated) == (500, b"x" * 10, True)


async def test_of_an_endless_body_the_beginning_is_kept_and_the_connection_is_not(outbound: Outbound) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with receiving(endless(head, b"400\r\n" + b"x" * 1024 + b"\r\n")) as receiver:
        answers = [await ask(outbound, receiver.url()) for _ in range(2)]
    assert [(one.status, one.body, one.truncated) for one in answers] == [(200, b"x" * 2048, True)] * 2
    assert receiver.connections == 2


async def test_a_packed_body_stays_packed(outbound: Outbound) -> None:
    said = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    async with receiving(answering(said)) as receiver:
        answer = await ask(outbound, receiver.url())
    assert answer.body == b"\x1f\x8b\x08\x00"


async def test_no_cookie_is_kept(outbound: Outbound) -> None:
    async with receiving(answering(b"HTTP/1.1 204 No\r\nSet-Cookie: a=b; Path=/\r\n\r\n")) as receiver:
        for _ in range(2):
            await ask(outbound, receiver.url())
    assert [request.fields.get("cookie") for request in receiver.requests] == [None, None]


async def test_a_cancelled_request_gives_its_connection_back(make: Making) -> None:
    heard = asyncio.Event()

    async def first_silent(request: Request, writer: asyncio.StreamWriter) -> None:
        if request.body == b"first":
            heard.set()
        else:
            writer.write(OK)

    outbound = make(connections=1, connections_per_host=1)
    async with receiving(first_silent) as receiver:
        first = asyncio.create_task(ask(outbound, receiver.url(), body=b"first"))
        await heard.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await ask(outbound, receiver.url(), body=b"second")).status == 200


@pytest.mark.parametrize("bounds", [{"connections": 1}, {"connections_per_host": 1}])
async def test_who_finds_no_connection_free_is_told_that_it_was_us(make: Making, bounds: dict[str, int]) -> None:
    release = asyncio.Event()

    async def waits(_: Request, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    outbound = make(**bounds)
    async with receiving(waits) as receiver:
        first = asyncio.create_task(ask(outbound, receiver.url()))
        await receiver.arrived.wait()
        with pytest.raises(OutboundError) as refused:
            await outbound.request("POST", receiver.url(), connect_seconds=0.1, total_seconds=20)
        release.set()
        assert (await first).status == 200
    assert refused.value.reason is Reason.BUSY
    assert len(receiver.requests) == 1


async def test_a_closed_client_makes_no_more_requests(outbound: Outbound) -> None:
    async with receiving(answering(OK)) as receiver:
        await ask(outbound, receiver.url())
        await outbound.close()
        await outbound.close()
        with pytest.raises(OutboundError) as refused:
            await ask(outbound, receiver.url())
    assert refused.value.reason is Reason.CLOSED
    assert len(receiver.requests) == 1
