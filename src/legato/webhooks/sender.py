"""One event, one endpoint, one request: built, signed, sent, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final, Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec
from msgspec.structs import replace

from legato import tracing
from legato.dialects import for_webhook
from legato.events.envelope import Event
from legato.events.moment import Clock
from legato.outbound import Outbound, OutboundError, host_of
from legato.store.attempts import Attempt
from legato.store.endpoints import Endpoint
from legato.webhooks.policy import Outcome
from legato.webhooks.signing import Signer, standard_headers

# A receiver puts events into a queue of its own and answers; who works while we wait holds up its own lane.
CONNECT_SECONDS: Final = 3.0
TOTAL_SECONDS: Final = 10.0
# What is kept of an answer, for whoever looks for what went wrong.
ANSWER_BYTES: Final = 2_048
# What a receiver answers when it does not believe a signature.
DISBELIEF: Final = frozenset((401, 403))
# Endpoints that are remembered to have the new secret while one is rotated; one that is forgotten is found out again.
MAX_AHEAD: Final = 10_000


class Sent(msgspec.Struct, frozen=True):
    """How an attempt ended, how long it took, and the first bytes of the answer."""

    outcome: Outcome
    seconds: float
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it goes out."""

    method: Literal["GET", "POST"]
    url: str
    headers: dict[str, str]
    body: bytes


class Sender:
    """Sends events. Who calls decides what an outcome means.

    While the account's signature secret is rotated, an endpoint has the old one or the new one. It is asked with the
    one that it took last, the old one at first, and when it does not believe that, at once with the other.
    """

    def __init__(self, outbound: Outbound, signer: Signer, clock: Clock, steady: Callable[[], float]) -> None:
        """``steady`` is a clock in seconds that is never set."""
        self._outbound = outbound
        self._signer = signer
        self._clock = clock
        self._steady = steady
        self._ahead: set[str] = set()  # endpoints that have the new secret already

    def listening_secret(self, application_id: str) -> bytes:
        """What is signed with for those who listen to an application without an endpoint."""
        return self._signer.listening_secret(application_id)

    def prepare(self, endpoint: Endpoint, event: Event, known_by: str) -> Prepared:
        """The request that tells ``endpoint`` of ``event``, signed for this moment."""
        return self._prepare(endpoint, event, known_by, is_ahead=endpoint.id in self._ahead)

    def _prepare(self, endpoint: Endpoint, event: Event, known_by: str, *, is_ahead: bool) -> Prepared:
        if endpoint.params:
            event = replace(event, params={**endpoint.params, **(event.params or {})})
        payload = for_webhook(event)
        now = self._clock.now()
        is_get = endpoint.method == "GET"
        body = b"" if is_get else payload
        headers = standard_headers(known_by, body, now, endpoint.secrets_at(now))
        if endpoint.signed:
            key = self._signer.secrets.at(now)[-1 if is_ahead else 0]
            headers["Authorization"] = self._signer.bearer(event.application_id, body, now, key, hashed=not is_get)
        if is_get:
            return Prepared("GET", _with_query(endpoint.url, payload), headers, b"")
        headers["Content-Type"] = "application/json"
        return Prepared("POST", endpoint.url, headers, body)

    async def send(self, endpoint: Endpoint, event: Event, known_by: str) -> Sent:
        """One attempt. Whatever goes wrong is an outcome, never an exception."""
        tracer = tracing.tracer
        if tracer is None:
            return await self._send_signed(endpoint, event, known_by)
        host = host_of(endpoint.url)
        with tracer.attempt(legato_event_type=event.type, legato_webhook_id=known_by, server_address=host) as span:
            sent = await self._send_signed(endpoint, event, known_by)
            if sent.outcome.status is not None:
                span.tell(http_response_status_code=sent.outcome.status)
            else:
                span.tell(error_type=type(sent.outcome.failure).__name__)
        return sent

    async def _send_signed(self, endpoint: Endpoint, event: Event, known_by: str) -> Sent:
        """With the secret that the endpoint took last; and, while there are two, with the other when it minds that."""
        is_ahead = endpoint.id in self._ahead
        sent = await self._send(self._prepare(endpoint, event, known_by, is_ahead=is_ahead))
        if sent.outcome.status not in DISBELIEF or not endpoint.signed:
            return sent
        if len(self._signer.secrets.at(self._clock.now())) == 1:
            return sent
        other = await self._send(self._prepare(endpoint, event, known_by, is_ahead=not is_ahead))
        if other.outcome.status in DISBELIEF:  # it is not the secret that it minds
            return other
        if is_ahead:
            self._ahead.discard(endpoint.id)
        else:
            if len(self._ahead) >= MAX_AHEAD:
                self._ahead.clear()
            self._ahead.add(endpoint.id)
        return other

    async def _send(self, prepared: Prepared) -> Sent:
        begun = self._steady()
        try:
            answer = await self._outbound.request(
                prepared.method,
                prepared.url,
                headers=prepared.headers,
                body=prepared.body,
                connect_seconds=CONNECT_SECONDS,
                total_seconds=TOTAL_SECONDS,
                max_answer=ANSWER_BYTES,
            )
        except OutboundError as failure:
            return Sent(Outcome(failure=failure), self._steady() - begun)
        patience = _retry_after(answer.headers.get("retry-after"), self._clock.now())
        return Sent(Outcome(answer.status, retry_after=patience), answer.seconds, answer.body)


def attempt_of(endpoint_id: str, known_by: str, stream: str, event_type: str, begun: float, sent: Sent) -> Attempt:
    """An attempt as the log of attempts keeps it."""
    failure = sent.outcome.failure
    return Attempt(
        endpoint_id=endpoint_id,
        webhook_id=known_by,
        stream=stream,
        event_type=event_type,
        at=begun,
        seconds=sent.seconds,
        status=sent.outcome.status,
        error=None if failure is None else str(failure),
        answer=sent.answer,
    )


def _with_query(url: str, payload: bytes) -> str:
    """The event's fields as a query beside the URL's own; what is no text is JSON there."""
    fields = msgspec.json.decode(payload)
    written = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in fields.items()
        if value is not None
    }
    try:
        parts = urlsplit(url)
    except ValueError:  # it is none, which whoever sends it says
        return url
    query = "&".join(filter(None, (parts.query, urlencode(written))))
    return urlunsplit(parts._replace(query=query, fragment=""))


def _retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait (RFC 9110 10.2.3: a number of them, or a date); None when the endpoint does not say."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
