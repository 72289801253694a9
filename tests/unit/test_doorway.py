"""Where somebody comes from, and what is counted as one place."""

from __future__ import annotations

from typing import Any

import pytest
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from legato.api.limits import MAX_BUCKETS
from legato.doorway import Doorway, place_of
from legato.events.refusal import Overloaded


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:0db8::1:0:0:0:9", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("x" * 100, "x" * 200, True),
    ],
)
def test_what_is_counted_as_one_place(one: str, other: str, same: bool) -> None:
    assert (place_of(one) == place_of(other)) is same


def test_failures_are_bounded_for_each_address_and_what_succeeds_is_not_counted() -> None:
    door = Doorway(1.0, 3.0, trusted_proxies="127.0.0.1")
    for _ in range(1_000):
        door.knock("192.0.2.1")
        door.welcome("192.0.2.1")
    for _ in range(3):
        door.knock("192.0.2.1")
    with pytest.raises(Overloaded) as caught:
        door.knock("192.0.2.1")
    assert 0 < caught.value.retry_after <= 1.0
    door.knock("192.0.2.2")
    door.knock(None)
    assert door.refused == 1


def test_a_thanks_that_comes_late_does_not_fill_a_bucket_over_its_brim() -> None:
    door = Doorway(0.001, 2.0, trusted_proxies="")
    door.welcome("192.0.2.1")
    for _ in range(5):
        door.knock("192.0.2.1")
        door.welcome("192.0.2.1")
        door.welcome("192.0.2.1")
    for _ in range(2):
        door.knock("192.0.2.1")
    with pytest.raises(Overloaded):
        door.knock("192.0.2.1")


def test_places_are_remembered_up_to_a_bound() -> None:
    door = Doorway(0.001, 1.0, trusted_proxies="")
    door.knock("192.0.2.1")
    for number in range(MAX_BUCKETS):
        door.knock(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1")
    door.knock("192.0.2.1")  # forgotten: it was quiet longest
    assert door.refused == 0


@pytest.mark.parametrize("trusted", ["127.0.0.1", "10.0.0.0/8, 127.0.0.1,::1", "*", "", "2001:db8::/32", "proxy"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.9", "10.1.2.3", "::1", "2001:db8::7"])
@pytest.mark.parametrize(
    "forwarded",
    [
        [],
        ["192.0.2.1"],
        ["203.0.113.5, 192.0.2.1"],
        ["203.0.113.5", "192.0.2.1, 10.9.9.9"],
        ["10.0.0.1, 10.0.0.2"],
        ["192.0.2.1:4711"],
        ["[2001:db9::1]:4711, 10.0.0.2"],
        ["2001:db9::1"],
        ["garbage, proxy"],
        [""],
        ["192.0.2.1, "],
    ],
)
async def test_a_websocket_comes_from_where_the_http_server_says_requests_do(
    trusted: str, peer: str, forwarded: list[str]
) -> None:
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["client"][0])

    fields = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    scope: Any = {"type": "http", "client": (peer, 1), "headers": fields, "scheme": "http"}
    await ProxyHeadersMiddleware(app, trusted)(scope, None, None)  # type: ignore[arg-type]
    assert Doorway(1, 1, trusted_proxies=trusted).address(peer, forwarded) == seen[0]
