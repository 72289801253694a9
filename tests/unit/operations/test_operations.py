"""Who is told the metrics."""

from __future__ import annotations

import pytest

from legato.operations.operations import is_of_this_machine


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_a_loopback_address_is_this_machine(host: str) -> None:
    assert is_of_this_machine((host, 1), {b"host": b"x"})


@pytest.mark.parametrize("host", ["192.0.2.1", "::ffff:192.0.2.1", "fe80::1%eth0", "10.0.0.1", "localhost", ""])
def test_every_other_is_not(host: str) -> None:
    assert not is_of_this_machine((host, 1), {})


def test_a_peer_without_an_address_is_not() -> None:
    assert not is_of_this_machine(None, {})


@pytest.mark.parametrize("field", [b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via"])
def test_who_comes_through_a_proxy_is_not(field: bytes) -> None:
    assert not is_of_this_machine(("127.0.0.1", 1), {field: b"127.0.0.1"})
