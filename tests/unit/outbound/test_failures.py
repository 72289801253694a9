"""Servers that do not answer, or not in HTTP, each with its reason."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import pytest

from legato.outbound import Outbound, OutboundError, Reason
from legato.testing.ca import Authority
from legato.testing.names import Names
from legato.testing.ports import free_port

from .conftest import Making
from .receiver import OK, Behaviour, answering, endless, receiving, silent


async def failure(outbound: Outbound, url: str, *, connect: float = 20, total: float = 20) -> OutboundError:
    """Why there is no answer."""
    with pytest.raises(OutboundError) as failed:
        await outbound.request("POST", url, body=b"{}", connect_seconds=connect, total_seconds=total)
    return failed.value


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"\x00\x01\x02\xff garbage\r\n\r\n", Reason.PROTOCOL),
        (b"220 mail.example ESMTP\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 abc OK\r\n\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n", Reason.PROTOCOL),
        (b"", Reason.CLOSED),
        (b"HTTP/1.1 200", Reason.CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Len", Reason.CLOSED),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok", Reason.CLOSED),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nok", Reason.CLOSED),
    ],
)
async def test_an_answer_that_is_none_has_its_reason(outbound: Outbound, said: bytes, reason: Reason) -> None:
    async with receiving(answering(said, close=True)) as receiver:
        failed = await failure(outbound, receiver.url())
    assert failed.reason is reason
    assert "127.0.0.1" in str(failed)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1024),
        (b"HTTP/1.1 200 ", b"x" * 1024),
        (b"x", b"x" * 1024),
    ],
)
async def test_a_head_without_end_is_not_read_to_the_end(outbound: Outbound, head: bytes, part: bytes) -> None:
    async with receiving(endless(head, part)) as receiver:
        assert (await failure(outbound, receiver.url())).reason is Reason.PROTOCOL


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        answering(b"HTTP/1.1 200 OK\r\nX-"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"),
        endless(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    ],
    ids=["nothing", "half a head", "no body", "half a body", "only the promise of an answer"],
)
async def test_an_answer_that_is_not_complete_in_time_is_given_up(outbound: Outbound, behave: Behaviour) -> None:
    async with receiving(behave) as receiver:
        failed = await failure(outbound, receiver.url(), total=0.3)
    assert failed.reason is Reason.TIMEOUT
    assert "too long to answer" in str(failed)


async def test_a_server_that_never_gets_to_tls_is_given_up(outbound: Outbound) -> None:
    accepted = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        failed = await failure(outbound, f"https://127.0.0.1:{port}/", connect=0.3)
        await accepted.wait()
    assert failed.reason is Reason.TIMEOUT
    assert "too long to connect" in str(failed)


async def test_a_name_that_nobody_answers_for_is_given_up(make: Making) -> None:
    class Mute:
        """A resolver that is waited for in vain."""

        async def addresses(self, host: str) -> Sequence[str]:
            await asyncio.get_running_loop().create_future()
            return ()

    failed = await failure(make(resolver=Mute()), "http://hook.example/", connect=0.1)
    assert failed.reason is Reason.TIMEOUT


@pytest.mark.parametrize("host", ["unknown.example", "nothing.example"])
async def test_a_name_without_an_address_is_told(make: Making, host: str) -> None:
    names = Names({"nothing.example": [[]]})
    failed = await failure(make(resolver=names), f"http://{host}/")
    assert failed.reason is Reason.DNS
    assert str(failed).startswith(f"{host} is not found: ")


async def test_a_name_that_is_none_is_told(outbound: Outbound) -> None:
    failed = await failure(outbound, f"http://{'a' * 64}.invalid/")
    assert failed.reason in {Reason.DNS, Reason.BAD_URL}


async def test_a_port_where_nobody_listens_is_told(outbound: Outbound) -> None:
    failed = await failure(outbound, f"http://127.0.0.1:{free_port()}/")
    assert failed.reason is Reason.CONNECT
    assert str(failed) == "127.0.0.1 takes no connection: Connection refused."


async def test_who_is_refused_at_one_address_is_taken_at_another(make: Making) -> None:
    names = Names({"hook.example": [["127.0.0.2", "127.0.0.1"]]})
    async with receiving(answering(OK)) as receiver:
        answer = await make(resolver=names).request(
            "POST", receiver.url(host="hook.example"), connect_seconds=20, total_seconds=20
        )
    assert answer.status == 200


@pytest.mark.parametrize(
    ("name", "trusted", "told"),
    [("hook.example", False, "unable to get"), ("other.example", True, "Hostname mismatch")],
)
async def test_a_certificate_that_is_not_trusted_for_the_name_is_told(
    make: Making, authority: Authority, name: str, trusted: bool, told: str
) -> None:
    identity = authority.issue(name)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(identity.certificate, identity.key)
    outbound = make(
        resolver=Names({"hook.example": [["127.0.0.1"]]}),
        extra_authority=authority.certificate if trusted else None,
    )
    async with receiving(answering(OK), tls=tls) as receiver:
        failed = await failure(outbound, receiver.url(scheme="https", host="hook.example"))
    assert failed.reason is Reason.TLS
    assert told in str(failed)
    assert receiver.requests == []


async def test_a_server_that_does_not_speak_tls_is_told(outbound: Outbound) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        failed = await failure(outbound, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert failed.reason is Reason.TLS


async def test_a_request_that_fails_does_not_harm_the_next(outbound: Outbound) -> None:
    async with receiving(answering(b"garbage\r\n\r\n")) as bad, receiving(answering(OK)) as good:
        assert (await failure(outbound, bad.url())).reason is Reason.PROTOCOL
        answer = await outbound.request("POST", good.url(), connect_seconds=20, total_seconds=20)
    assert answer.status == 200


async def test_a_failure_of_a_library_does_not_get_past_the_client(
    make: Making, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        """A resolver with a fault."""

        async def addresses(self, host: str) -> Sequence[str]:
            raise ArithmeticError(host)

    failed = await failure(make(resolver=Broken()), "http://hook.example/")
    assert failed.reason is Reason.PROTOCOL
    assert "no name yet" in caplog.text
