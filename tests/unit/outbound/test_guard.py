"""Which addresses may be connected to."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.outbound import ForbiddenAddress, Reason, check_address

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",  # beside blocks that are closed
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:4860:4860::8888",
    "2606:4700:4700::1111",
    "2001:200::1",
    "2003::1",
    "::ffff:8.8.8.8",  # the same host as 8.8.8.8
    "64:ff9b::8.8.8.8",  # the same host, seen from a network without IPv4
]
PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.0",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "::1",
    "0:0:0:0:0:0:0:1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:2::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
]
NEVER = [
    "0.0.0.0",
    "0.255.255.255",
    "169.254.0.1",
    "169.254.169.254",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.255",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
    "::",
    "::8.8.8.8",
    "::127.0.0.1",
    "::ffff:0.0.0.0",
    "::ffff:169.254.169.254",
    "::ffff:255.255.255.255",
    "::ffff:0:127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b::224.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1::10.0.0.1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:808:808::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fe80::1",
    "fe80::1%1",
    "fe80::1%eth0",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff0e::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "::1%lo",
    "2001:4860:4860::8888%1",
]
NO_ADDRESS = [
    "",
    " 8.8.8.8",
    "8.8.8.8 ",
    "8.8.8.8\n",
    "8.8.8",
    "8.8.8.8.",
    "127.1",
    "0x7f.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.01",
    "010.0.0.1",
    "[::1]",
    "::1%",
    "localhost",
    "hook.example",
    "8.8.8.8/32",
]


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_connected_to(address: str, allow_private: bool) -> None:
    check_address(address, allow_private=allow_private)


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_connected_to_only_when_the_operator_says_so(address: str) -> None:
    with pytest.raises(ForbiddenAddress) as refused:
        check_address(address)
    assert refused.value.reason is Reason.FORBIDDEN_ADDRESS
    check_address(address, allow_private=True)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("address", NEVER)
def test_what_is_no_host_of_anybody_is_never_connected_to(address: str, allow_private: bool) -> None:
    with pytest.raises(ForbiddenAddress):
        check_address(address, allow_private=allow_private)


@pytest.mark.parametrize("allow_private", [False, True])
@pytest.mark.parametrize("text", NO_ADDRESS)
def test_text_that_is_no_address_in_its_usual_form_is_refused(text: str, allow_private: bool) -> None:
    with pytest.raises(ForbiddenAddress, match="not an IP address"):
        check_address(text, allow_private=allow_private)


def test_the_refusal_says_what_the_address_is_and_who_says_so() -> None:
    with pytest.raises(ForbiddenAddress, match=r"^::ffff:10\.0\.0\.1 is a private address \(RFC 1918\)"):
        check_address("::ffff:10.0.0.1")


@given(st.ip_addresses())
def test_what_python_does_not_call_global_is_refused_too(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not ip.is_global and not getattr(ip, "ipv4_mapped", None):  # of which Python 3.11 says that none is global
        with pytest.raises(ForbiddenAddress):
            check_address(str(ip))


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_address_is_judged_as_itself(ip: ipaddress.IPv4Address) -> None:
    def passes(address: str) -> bool:
        try:
            check_address(address)
        except ForbiddenAddress:
            return False
        return True

    assert passes(f"::ffff:{ip}") == passes(f"64:ff9b::{ip}") == passes(str(ip))
