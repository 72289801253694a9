"""Which URLs may be asked, and with which headers."""

from __future__ import annotations

import pytest

from legato.events import MAX_URL
from legato.outbound import OutboundError, Reason, check_headers, check_url


@pytest.mark.parametrize(
    "url",
    [
        "https://hook.example",
        "https://hook.example/a/b?c=d%2Fe&f=g@h#i",
        "HTTP://HOOK.EXAMPLE:8080/",
        "http://hook.example:1/",
        "http://hook.example:65535/",
        "http://hook.example?to=a@b",
        "http://hook_1.example./",
        "https://bücher.example/",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]:8443/",
        "https://1.example/",
        "https://example.0xy/",
    ],
)
def test_an_http_url_with_a_host_may_be_asked(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook.example",
        "//hook.example/",
        "/hook",
        "http:",
        "http://",
        "http:///hook",
        "http:hook.example",
        "http://:80/",
        "ftp://hook.example/",
        "file:///etc/passwd",
        "gopher://hook.example/",
        "unix:///run/docker.sock",
        "ws://hook.example/",
        "javascript:alert(1)",
        "http://user@hook.example/",
        "http://user:password@hook.example/",
        "http://@hook.example/",
        "http://:@hook.example/",
        "http://hook.example:0/",
        "http://hook.example:65536/",
        "http://hook.example:-1/",
        "http://hook.example:http/",
        "http://hook.example\\@10.0.0.1/",
        "http://hook.example/ HTTP/1.1\r\nHost: other",
        "http://hook.example/\n",
        " http://hook.example/",
        "http://hook .example/",
        "http://hook.example/\x00",
        "http://[::1",
        "http://[::1]x/",
        "http://[hook.example]/",
        "http://[fe80::1%25eth0]/",
        "http://" + "a" * MAX_URL,
        # an IPv4 address as C and old browsers read it
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0X7F.1/",
        "http://0x7f.0.0.1/",
        "http://017700000001/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1./",
        "http://127.0.0.0x1/",
        "http://999.0.0.1/",
        "http://1.2.3.4.5/",
        "http://0/",
        "http://0x/",
    ],
)
def test_what_is_no_http_url_with_a_host_is_refused(url: str) -> None:
    with pytest.raises(OutboundError) as refused:
        check_url(url)
    assert refused.value.reason is Reason.BAD_URL


def test_a_refusal_does_not_repeat_the_url() -> None:
    with pytest.raises(OutboundError) as refused:
        check_url("http://user:s3cret@hook.example/?key=s3cret")
    assert "s3cret" not in str(refused.value)


def test_headers_are_sent_as_long_as_they_are_headers() -> None:
    check_headers({"X-Signature": "abc", "content-type": "application/json", "X-Name": "Zoë\tLegato"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("", "x"),
        ("X Name", "x"),
        ("X-Name:", "x"),
        ("X-Näme", "x"),
        ("X-Name\r\nHost", "x"),
        ("X-Name", "a\r\nHost: other"),
        ("X-Name", "a\nb"),
        ("X-Name", "a\x00b"),
        ("X-Name", "a\ud800b"),
        ("Host", "other.example"),
        ("HOST", "other.example"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "close"),
        ("Upgrade", "websocket"),
    ],
)
def test_a_header_that_ends_the_head_or_says_whom_it_is_for_is_refused(name: str, value: str) -> None:
    with pytest.raises(OutboundError) as refused:
        check_headers({name: value})
    assert refused.value.reason is Reason.BAD_HEADER
