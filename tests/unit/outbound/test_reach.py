"""Nothing reaches an address that the guard refuses, by whatever way it is named."""

from __future__ import annotations

import socket

import aiohttp
import pytest

from legato.outbound import ForbiddenAddress, Outbound, OutboundError, Reason
from legato.outbound.connector import make_socket_factory
from legato.outbound.resolver import GuardedResolver
from legato.testing.names import Names

from .conftest import Making
from .receiver import OK, Receiver, answering, receiving

PUBLIC = "93.184.215.14"  # never connected to


async def refusal(outbound: Outbound, url: str) -> OutboundError:
    """Why ``url`` is not asked."""
    with pytest.raises(OutboundError) as refused:
        await outbound.request("POST", url, body=b"{}", connect_seconds=10, total_seconds=20)
    return refused.value


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"]
)
async def test_a_server_on_loopback_is_not_reached(guarded: Outbound, host: str) -> None:
    async with receiving(answering(OK)) as receiver:
        refused = await refusal(guarded, receiver.url(host=host))
    assert refused.reason is Reason.FORBIDDEN_ADDRESS
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["１２７.0.0.1", "127。0。0。1", "①27.0.0.1", "ⓛocalhost", "%6c%6f%63alhost"])
async def test_a_host_in_disguise_is_not_reached(make: Making, host: str) -> None:
    names = Names({"localhost": [["127.0.0.1"]]})
    guarded = make(dangerous_allow_private_addresses=False, resolver=names)
    async with receiving(answering(OK)) as receiver:
        refused = await refusal(guarded, receiver.url(host=host))
    assert refused.reason in {Reason.FORBIDDEN_ADDRESS, Reason.BAD_URL, Reason.DNS}
    assert receiver.connections == 0


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "0x7f000001", "017700000001", "127.1", "127.0.0.1.", "0"])
async def test_a_number_for_a_host_is_not_reached_even_when_loopback_is(outbound: Outbound, host: str) -> None:
    async with receiving(answering(OK)) as receiver:
        refused = await refusal(outbound, receiver.url(host=host))
    assert refused.reason is Reason.BAD_URL
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["10.0.0.1"],
        ["fe80::1%eth0"],
        ["169.254.169.254"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        ["2001:4860:4860::8888", "::1", PUBLIC],
        ["127.1"],
        ["localhost"],
    ],
)
async def test_a_name_is_refused_when_one_of_its_addresses_is_forbidden(make: Making, addresses: list[str]) -> None:
    names = Names({"hook.example": [addresses]})
    guarded = make(dangerous_allow_private_addresses=False, resolver=names)
    async with receiving(answering(OK)) as receiver:
        refused = await refusal(guarded, receiver.url(host="hook.example"))
    assert refused.reason is Reason.FORBIDDEN_ADDRESS
    assert str(refused).startswith("hook.example leads to ")
    assert receiver.connections == 0


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["127.0.0.1", "127.0.0.2"], ["127.0.0.1", "::1"], ["localhost"]])
async def test_the_socket_refuses_what_a_resolver_has_let_pass(addresses: list[str]) -> None:
    class Careless(GuardedResolver):
        """One that gives what it is given."""

        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[aiohttp.abc.ResolveResult]:
            return [
                aiohttp.abc.ResolveResult(hostname=host, host=each, port=port, family=family, proto=0, flags=0)
                for each in addresses
            ]

    async with (
        receiving(answering(OK)) as receiver,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Careless(Names({}), allow_private=True),
                socket_factory=make_socket_factory(allow_private=False),
            )
        ) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.post(receiver.url(host="hook.example"))
    assert receiver.connections == 0


async def test_a_name_that_turns_private_is_refused_from_then_on() -> None:
    guarded = GuardedResolver(Names({"hook.example": [[PUBLIC], ["127.0.0.1"]]}), allow_private=False)
    assert [found["host"] for found in await guarded.resolve("hook.example", 443)] == [PUBLIC]
    with pytest.raises(ForbiddenAddress):
        await guarded.resolve("hook.example", 443)


async def test_nobody_looks_a_name_up_again_between_the_check_and_the_connection(make: Making) -> None:
    names = Names({"hook.example": [["127.0.0.1"], ["127.0.0.2"]]})
    async with receiving(answering(OK)) as receiver:
        answer = await make(resolver=names).request(
            "GET", receiver.url(host="hook.example"), connect_seconds=10, total_seconds=20
        )
    assert answer.status == 200
    assert names.asked == ["hook.example"]


async def test_a_redirect_is_an_answer_and_is_not_followed(outbound: Outbound) -> None:
    async with receiving(answering(OK)) as hidden:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {hidden.url()}\r\nContent-Length: 0\r\n\r\n".encode()
        async with receiving(answering(moved)) as receiver:
            answer = await outbound.request("GET", receiver.url(), connect_seconds=10, total_seconds=20)
    assert (answer.status, answer.headers["location"]) == (307, hidden.url())
    assert (receiver.connections, hidden.connections) == (1, 0)


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_no_proxy_of_the_environment_is_used(
    outbound: Outbound, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(answering(OK)) as proxy, receiving(answering(OK)) as receiver:
        monkeypatch.setenv(variable, proxy.url(""))
        await outbound.request("GET", receiver.url(), connect_seconds=10, total_seconds=20)
    assert (receiver.connections, proxy.connections) == (1, 0)


async def test_what_is_link_local_stays_closed_when_private_networks_are_open(outbound: Outbound) -> None:
    refused = await refusal(outbound, "http://169.254.169.254/latest/meta-data/")
    assert refused.reason is Reason.FORBIDDEN_ADDRESS


async def test_private_networks_are_open_when_the_operator_says_so(outbound: Outbound) -> None:
    async def reached(receiver: Receiver, host: str) -> int:
        answer = await outbound.request("GET", receiver.url(host=host), connect_seconds=10, total_seconds=20)
        return answer.status

    async with receiving(answering(OK)) as receiver:
        assert [await reached(receiver, host) for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]")] == [200] * 3
