"""Webhooks as the API reads and writes them. A part of this server's API that the platform does not have."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from legato.api.bodies import Named
from legato.api.paging import MAX_CURSOR, MAX_PAGE
from legato.events.envelope import JsonObject
from legato.events.moment import iso
from legato.store.attempts import Attempt, DeadLetter
from legato.store.endpoints import Endpoint, State
from legato.webhooks import shown_secret

MAX_OVERLAP_SECONDS: Final = 30 * 24 * 3600.0
DEFAULT_OVERLAP_SECONDS: Final = 24 * 3600.0
# Events that one replay may hold: each is a row, and all of them are written in one commit.
MAX_REPLAY: Final = 10_000


class Backlog(msgspec.Struct):
    """What waits: how many events, in how many streams."""

    events: int
    streams: int


class EndpointView(msgspec.Struct, omit_defaults=True):
    """An endpoint. ``id`` is an application's, for its event URL, or a conversation's, for its callback.

    ``secrets`` are for Standard Webhooks, the newest first; an older one signs as well until ``old_secret_until``.
    ``why`` says why it is not active, or what its last failure was. Nothing is sent before ``waits_until``.
    """

    id: str
    url: str
    method: str
    state: State
    signed: bool
    secrets: list[str]
    backlog: Backlog
    dead_letters: int
    created_at: str
    conversation_id: str | None = None
    event_mask: list[str] = []
    params: JsonObject | None = None
    why: str | None = None
    failing_since: str | None = None
    succeeded_at: str | None = None
    waits_until: str | None = None
    old_secret_until: str | None = None


class EndpointList(msgspec.Struct):
    """The endpoints of an application."""

    endpoints: list[EndpointView]


class EndpointPage(msgspec.Struct, omit_defaults=True):
    """One page, the oldest first; ``cursor`` is where the next one begins, absent at the end."""

    embedded: EndpointList = msgspec.field(name="_embedded")
    cursor: str | None = None


class EndpointQuery(msgspec.Struct):
    """Which page of the endpoints."""

    page_size: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = MAX_PAGE
    cursor: Annotated[str, Meta(max_length=MAX_CURSOR)] | None = None


class AttemptView(msgspec.Struct, omit_defaults=True):
    """One request. ``seconds`` until the answer or until it was given up; ``answer`` its first 2,048 bytes as text."""

    id: int
    webhook_id: str
    event_type: str
    at: str
    seconds: float
    status: int | None = None
    error: str | None = None
    answer: str | None = None


class AttemptList(msgspec.Struct):
    """Attempts, the newest first."""

    attempts: list[AttemptView]


class AttemptPage(msgspec.Struct, omit_defaults=True):
    """One page; ``before`` is where the next one begins, absent at the end."""

    embedded: AttemptList = msgspec.field(name="_embedded")
    before: int | None = None


class DeadLetterView(msgspec.Struct, omit_defaults=True):
    """An event that was given up, and why. ``status`` is the last answer's."""

    id: int
    webhook_id: str
    event_type: str
    at: str
    reason: str
    attempts: int
    status: int | None = None
    replayed_at: str | None = None


class DeadLetterList(msgspec.Struct):
    """Dead letters, the newest first."""

    dead_letters: list[DeadLetterView]


class DeadLetterPage(msgspec.Struct, omit_defaults=True):
    """One page; ``before`` is where the next one begins, absent at the end."""

    embedded: DeadLetterList = msgspec.field(name="_embedded")
    before: int | None = None


class PastQuery(msgspec.Struct):
    """Which page of what was: so many, older than ``before``."""

    page_size: Annotated[int, Meta(ge=1, le=100)] = 20
    before: Annotated[int, Meta(ge=1)] | None = None


class AttemptQuery(PastQuery):
    """The same, of one event."""

    webhook_id: Named | None = None


class SecretRotation(msgspec.Struct):
    """A new signing secret; the one there is signs as well for ``overlap`` seconds."""

    overlap: Annotated[float, Meta(ge=0, le=MAX_OVERLAP_SECONDS)] = DEFAULT_OVERLAP_SECONDS


class NewSecret(msgspec.Struct):
    """For receivers: ``whsec_`` and base64, as Standard Webhooks' libraries take it."""

    secret: str


class TestSend(msgspec.Struct):
    """Which type of event to send an example of."""

    __test__ = False  # a name that pytest would take for a test

    type: str = "text"


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """What to send again: dead letters by ``id``, or all of them since a time, or a range of a conversation's log."""

    dead_letters: Annotated[list[int], Meta(min_length=1, max_length=1_000)] | None = None
    since: Annotated[str, Meta(max_length=40)] | None = None
    conversation_id: Named | None = None
    start_id: Annotated[int, Meta(ge=1)] | None = None
    end_id: Annotated[int, Meta(ge=1)] | None = None


class ReplayView(msgspec.Struct, omit_defaults=True):
    """How many events are being sent again. ``remaining`` are dead letters since that time that found no place in this
    replay, the newest ones: ask again. Absent when there are none.
    """

    events: int
    remaining: int = 0


def endpoint_view(endpoint: Endpoint, waiting: tuple[int, int], dead: int, now: float) -> EndpointView:
    """An endpoint with what waits for it and what was given up."""
    secrets = endpoint.secrets_at(now)
    return EndpointView(
        id=endpoint.id,
        url=endpoint.url,
        method=endpoint.method,
        state=endpoint.state,
        signed=endpoint.signed,
        secrets=[shown_secret(secret) for secret in secrets],
        backlog=Backlog(*waiting),
        dead_letters=dead,
        created_at=iso(endpoint.created_at),
        conversation_id=endpoint.conversation_id,
        event_mask=list(endpoint.mask),
        params=endpoint.params,
        why=endpoint.why,
        failing_since=_time(endpoint.failing_since),
        succeeded_at=_time(endpoint.succeeded_at),
        waits_until=_time(endpoint.due_at) if endpoint.due_at > now else None,
        old_secret_until=_time(endpoint.old_secret_until) if len(secrets) > 1 else None,
    )


def attempt_view(attempt: Attempt) -> AttemptView:
    """An attempt."""
    answer = attempt.answer
    return AttemptView(
        id=attempt.id,
        webhook_id=attempt.webhook_id,
        event_type=attempt.event_type,
        at=iso(attempt.at),
        seconds=round(attempt.seconds, 6),
        status=attempt.status,
        error=attempt.error,
        answer=answer.decode(errors="replace") if answer else None,
    )


def letter_view(letter: DeadLetter) -> DeadLetterView:
    """A dead letter."""
    return DeadLetterView(
        id=letter.id,
        webhook_id=letter.webhook_id,
        event_type=letter.event_type,
        at=iso(letter.at),
        reason=letter.reason,
        attempts=letter.attempts,
        status=letter.status,
        replayed_at=_time(letter.replayed_at),
    )


def _time(seconds: float | None) -> Any:
    return None if seconds is None else iso(seconds)
