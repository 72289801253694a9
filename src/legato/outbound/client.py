"""The HTTP client for every request that leaves this server."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Final, Literal

import aiohttp

from legato import __version__, tracing
from legato.outbound.connector import make_connector, make_trust
from legato.outbound.errors import OutboundError, Reason, outbound_error
from legato.outbound.headers import check_headers
from legato.outbound.resolver import Resolver, SystemResolver
from legato.outbound.url import check_url

CONNECTIONS: Final = 512  # half of the 1,024 descriptors that a process may have open unless somebody says otherwise
CONNECTIONS_PER_HOST: Final = 32  # one slow receiver holds a sixteenth of them
MAX_ANSWER: Final = 2_048  # bytes of a body: enough for the sentence in which a receiver says what is wrong
# What is read beyond that, so that the connection can be used again; a new one costs about as much.
DRAIN: Final = 65_536
DRAIN_SECONDS: Final = 1.0
KEPT_HEADERS: Final = ("content-length", "content-type", "location", "retry-after")

Method = Literal["DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"]
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, whatever its status: 301 and 500 are answers too.

    ``headers`` has those of KEPT_HEADERS that came, in lower case, as they were sent; ``body`` the first bytes, as they
    came (nothing is unpacked), and ``truncated`` says whether there were more. ``seconds`` went by from the call to the
    last of those bytes, the wait for a connection included.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    seconds: float


class Outbound:
    """Makes requests to public hosts, and to nobody else.

    No redirect is followed, no cookie kept, no proxy of the environment used, no body unpacked. Certificates are
    verified against the system's authorities.

    ``dangerous_allow_private_addresses`` lets requests reach loopback and private networks: right for a receiver beside
    this server, and dangerous where people who are not trusted choose URLs. ``extra_authority`` is a PEM file that is
    believed beside the system's. ``resolver`` answers for names; the guard judges its answers all the same.
    """

    def __init__(
        self,
        *,
        dangerous_allow_private_addresses: bool = False,
        extra_authority: Path | None = None,
        resolver: Resolver | None = None,
        connections: int = CONNECTIONS,
        connections_per_host: int = CONNECTIONS_PER_HOST,
    ) -> None:
        self._allow_private = dangerous_allow_private_addresses
        self._trust = make_trust(extra_authority)
        self._system = SystemResolver()  # makes its threads when names come
        self._resolver: Resolver = resolver or self._system
        self._connections = connections
        self._connections_per_host = connections_per_host
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def request(
        self,
        method: Method,
        url: str,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        body: bytes | None = None,
        connect_seconds: float,
        total_seconds: float,
        max_answer: int = MAX_ANSWER,
    ) -> Answer:
        """The answer to one request; raises OutboundError when there is none, and nothing else.

        ``connect_seconds`` bounds the wait for a free connection, the look-up of the name, TCP and TLS together;
        ``total_seconds`` everything. A request that failed may have been taken by the receiver all the same. One of a
        method other than PATCH and POST is sent a second time when its connection ends without an answer, as RFC 9110
        9.2.2 allows.
        """
        target = check_url(url)
        check_headers(headers)
        if tracing.tracer is not None:
            headers = {**headers, **tracing.tracer.headers()}
        session = self._opened()
        progress = _Progress()
        began = time.perf_counter()
        try:
            async with (
                asyncio.timeout(total_seconds) as limit,
                session.request(
                    method,
                    target,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(connect=connect_seconds),
                    trace_request_ctx=progress,
                ) as response,
            ):
                answer = await _answer(response, max_answer, began)
                limit.reschedule(None)  # the answer is there; what follows has a bound of its own
                if answer.truncated:
                    await _drain(response.content)
        except OutboundError:
            raise
        except Exception as error:
            raise outbound_error(error, target.raw_host or "", queued=progress.queued) from error
        return answer

    async def close(self) -> None:
        """Ends every connection. Requests that are under way fail, and there will be no others."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
        self._system.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise OutboundError(Reason.CLOSED, "This server is shutting down.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=make_connector(
                    resolver=self._resolver,
                    trust=self._trust,
                    allow_private=self._allow_private,
                    connections=self._connections,
                    connections_per_host=self._connections_per_host,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # a kilobyte on the wire can be a gigabyte in memory
                headers={"User-Agent": f"Legato/{__version__}", "Accept-Encoding": "identity"},
                skip_auto_headers=("Content-Type",),
                trace_configs=[_progress_trace()],
            )
        return self._session


async def _answer(response: aiohttp.ClientResponse, bound: int, began: float) -> Answer:
    if response.status == 101:  # RFC 9110 15.2.2: only to who has asked for another protocol
        raise OutboundError(Reason.PROTOCOL, f"{response.url.raw_host} changes to a protocol that was not asked for.")
    body = await _read(response.content, bound + 1)
    return Answer(
        status=response.status,
        headers={name: _text(response.headers[name]) for name in KEPT_HEADERS if name in response.headers},
        body=body[:bound],
        truncated=len(body) > bound,
        seconds=time.perf_counter() - began,
    )


async def _read(content: aiohttp.StreamReader, bound: int) -> bytes:
    """What comes, up to ``bound`` bytes."""
    taken = bytearray()
    while len(taken) < bound and (part := await content.read(bound - len(taken))):
        taken += part
    return bytes(taken)


async def _drain(content: aiohttp.StreamReader) -> None:
    """Reads the rest when it is short. aiohttp closes a connection whose answer was not read to its end."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await _read(content, DRAIN)


def _text(value: str) -> str:
    """A header's value as text that can be encoded again: aiohttp keeps bytes that are no UTF-8 as surrogates."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(slots=True)
class _Progress:
    """How far a request has come: whether it waits for one of our connections."""

    queued: bool = False


def _progress_trace() -> aiohttp.TraceConfig:
    """Keeps each request's _Progress."""

    async def begins(_: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx.queued = True

    async def ends(_: aiohttp.ClientSession, context: SimpleNamespace, params: object) -> None:
        context.trace_request_ctx.queued = False

    trace = aiohttp.TraceConfig()
    trace.on_connection_queued_start.append(begins)
    trace.on_connection_queued_end.append(ends)
    return trace
