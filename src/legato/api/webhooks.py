"""Webhooks, seen from their application: how its endpoints fare, what was sent, what was given up, and all of it again.

Not of the platform: ``/v1/webhooks``, for an application's token.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Connection

from legato.api.contract import Answer, Generation, Live, Reply, Request, Stream, route
from legato.api.paging import read_cursor, write_cursor
from legato.api.services import Services
from legato.api.times import moment
from legato.api.webhook_views import (
    MAX_REPLAY,
    AttemptList,
    AttemptPage,
    AttemptQuery,
    AttemptView,
    DeadLetterList,
    DeadLetterPage,
    EndpointList,
    EndpointPage,
    EndpointQuery,
    EndpointView,
    NewSecret,
    PastQuery,
    Replay,
    ReplayView,
    SecretRotation,
    TestSend,
    attempt_view,
    endpoint_view,
    letter_view,
)
from legato.events import CATALOGUE
from legato.events.envelope import Event
from legato.events.export import Sink, example
from legato.events.moment import iso
from legato.events.refusal import InvalidInput, NotFound
from legato.store.attempts import (
    Attempt,
    DeadLetter,
    count_dead_letters,
    mark_replayed,
    read_attempts,
    read_dead_letters,
    unreplayed,
)
from legato.store.endpoints import Endpoint, change_endpoint, read_endpoint, read_endpoints, rotate_endpoint_secret
from legato.store.events import EventQuery, read_events
from legato.store.lanes import webhook_id
from legato.store.replays import REPLAY, Again, add_replay, backlog, resume_endpoint
from legato.webhooks import Heard, shown_secret

NOT_FOUND: Final = "webhook:error:not-found"

_V1: Final[dict[str, Any]] = {"tag": "Webhooks", "generations": (Generation.V1,), "admin_only": True}
_LIST: Final = "webhooks"
_ONE: Final = "/webhooks/{endpoint_id}"


class Posting(Protocol):
    """What this room asks of ``legato.webhooks.Webhooks``."""

    def changed(self, endpoint_id: str) -> None:
        """An endpoint was changed, or has something new to be sent."""
        ...

    async def try_out(self, endpoint: Endpoint, event: Event) -> Attempt:
        """One attempt, outside of every lane."""
        ...

    def listen(self, application_id: str, until: float) -> Stream:
        """Lines that tell the application's events as they happen. Raises Overloaded."""
        ...


class WebhookRoom:
    """``/v1/webhooks``."""

    def __init__(self, services: Services, posting: Posting) -> None:
        self._log = services.log
        self._clock = services.clock
        self._ids = services.ids
        self._posting = posting

    @route(
        "GET",
        "/webhooks",
        "Lists the application's endpoints.",
        query=EndpointQuery,
        replies=(Answer(200, EndpointPage),),
        codes=("paginator-builder:error:invalid-cursor",),
        **_V1,
    )
    async def list(self, request: Request[None, EndpointQuery]) -> Reply[EndpointPage]:
        """Its own, and those of conversations with a callback."""
        now, query = self._clock.now(), request.query
        after = None
        if query.cursor is not None:
            _, (made_at, id_), _ = read_cursor(_LIST, query.cursor)
            after = (float(made_at), str(id_))

        def read(connection: Connection) -> tuple[list[EndpointView], str | None]:
            found = read_endpoints(connection, request.application_id, after=after, limit=query.page_size + 1)
            page, more = found[: query.page_size], found[query.page_size :]
            following = write_cursor(_LIST, {}, (page[-1].created_at, page[-1].id), backwards=False) if more else None
            return [_seen(connection, each, now) for each in page], following

        page, following = await self._log.read(read)
        return Reply(200, EndpointPage(EndpointList(page), following))

    @route(
        "GET",
        "/webhooks/listen",
        "Streams the application's events as they happen.",
        replies=(Answer(200, Heard, "One line of JSON for each event.", "application/x-ndjson"),),
        **_V1,
    )
    async def listen(self, request: Request[None, None]) -> Reply[Any]:
        """As an endpoint would get them, signed alike, with no endpoint configured: for programs that are being
        written. The first line has their signing secret, an empty line comes every 15 seconds, the last says why it is
        the last. Nothing is repeated; what happens while nobody listens is not told.
        """
        lines = self._posting.listen(request.application_id, request.principal.expires_at)
        headers = ((b"cache-control", b"no-store"), (b"x-accel-buffering", b"no"))  # a proxy passes each line on
        return Reply(200, Live(lines), headers=headers, media_type=b"application/x-ndjson")

    @route("GET", _ONE, "Shows an endpoint.", replies=(Answer(200, EndpointView),), codes=(NOT_FOUND,), **_V1)
    async def show(self, request: Request[None, None]) -> Reply[EndpointView]:
        """Its health, what waits for it, and the secrets it checks signatures with."""
        return await self._shown(request)

    @route(
        "POST", f"{_ONE}/pause", "Pauses an endpoint.", replies=(Answer(200, EndpointView),), codes=(NOT_FOUND,), **_V1
    )
    async def pause(self, request: Request[None, None]) -> Reply[EndpointView]:
        """Nothing is sent to it; what happens meanwhile waits."""
        endpoint = await self._find(request)
        paused = partial(
            change_endpoint,
            endpoint_id=endpoint.id,
            state="paused",
            why="paused by request",
            updated_at=self._clock.now(),
        )
        await self._log.transact(paused)
        self._posting.changed(endpoint.id)
        return await self._shown(request)

    @route(
        "POST",
        f"{_ONE}/resume",
        "Resumes an endpoint.",
        replies=(Answer(200, EndpointView),),
        codes=(NOT_FOUND,),
        **_V1,
    )
    async def resume(self, request: Request[None, None]) -> Reply[EndpointView]:
        """Also one that was disabled or is being waited for: it is tried at once."""
        endpoint = await self._find(request)
        await self._log.transact(partial(resume_endpoint, endpoint_id=endpoint.id, now=self._clock.now()))
        self._posting.changed(endpoint.id)
        return await self._shown(request)

    @route(
        "POST",
        f"{_ONE}/secret",
        "Rotates an endpoint's signing secret.",
        body=SecretRotation,
        replies=(Answer(201, NewSecret),),
        codes=(NOT_FOUND,),
        **_V1,
    )
    async def rotate(self, request: Request[SecretRotation, None]) -> Reply[NewSecret]:
        """Requests carry a signature with each until the overlap is over."""
        endpoint = await self._find(request)
        rotated = partial(
            rotate_endpoint_secret, endpoint_id=endpoint.id, now=self._clock.now(), overlap=request.body.overlap
        )
        secret = await self._log.transact(rotated)
        if secret is None:
            raise _no_such()
        self._posting.changed(endpoint.id)
        return Reply(201, NewSecret(shown_secret(secret)))

    @route(
        "POST",
        f"{_ONE}/test",
        "Sends an endpoint an example.",
        body=TestSend,
        replies=(Answer(200, AttemptView),),
        codes=(NOT_FOUND,),
        **_V1,
    )
    async def test(self, request: Request[TestSend, None]) -> Reply[AttemptView]:
        """The catalogue's example of a type, signed like any other, once; what came of it is the answer."""
        entry = CATALOGUE.get(request.body.type)
        if entry is None:
            raise InvalidInput.of("type", "must be an event type of the catalogue")
        endpoint = await self._find(request)
        told = example(entry, Sink.WEBHOOK)
        mine = {
            "application_id": endpoint.application_id,
            "timestamp": iso(self._clock.now()),
            "params": {"test": True},
            "user": told.get("_embedded", {}).get("from_user"),
        }
        event = msgspec.convert({**told, **mine}, Event)
        return Reply(200, attempt_view(await self._posting.try_out(endpoint, event)))

    @route(
        "GET",
        f"{_ONE}/attempts",
        "Lists what was sent to an endpoint.",
        query=AttemptQuery,
        replies=(Answer(200, AttemptPage),),
        codes=(NOT_FOUND,),
        **_V1,
    )
    async def attempts(self, request: Request[None, AttemptQuery]) -> Reply[AttemptPage]:
        """The newest first, as long as they are kept."""
        endpoint, query = await self._find(request), request.query
        found = await self._log.read(
            partial(
                read_attempts,
                endpoint_id=endpoint.id,
                before=query.before,
                webhook_id=query.webhook_id,
                limit=query.page_size,
            )
        )
        following = found[-1].id if len(found) == query.page_size else None
        return Reply(200, AttemptPage(AttemptList([attempt_view(each) for each in found]), following))

    @route(
        "GET",
        f"{_ONE}/dead-letters",
        "Lists the events that were given up for an endpoint.",
        query=PastQuery,
        replies=(Answer(200, DeadLetterPage),),
        codes=(NOT_FOUND,),
        **_V1,
    )
    async def dead_letters(self, request: Request[None, PastQuery]) -> Reply[DeadLetterPage]:
        """The newest first, each with its reason."""
        endpoint, query = await self._find(request), request.query
        found = await self._log.read(
            partial(read_dead_letters, endpoint_id=endpoint.id, before=query.before, limit=query.page_size)
        )
        following = found[-1].id if len(found) == query.page_size else None
        return Reply(200, DeadLetterPage(DeadLetterList([letter_view(each) for each in found]), following))

    @route(
        "POST",
        f"{_ONE}/replay",
        "Sends events again.",
        body=Replay,
        replies=(Answer(202, ReplayView),),
        codes=(NOT_FOUND, "conversation:error:not-found"),
        **_V1,
    )
    async def replay(self, request: Request[Replay, None]) -> Reply[ReplayView]:
        """In their order, each under the id it had, beside what else is being sent; at most 10,000 at a time. Of more
        dead letters since a time the oldest are taken, and ``remaining`` says how many the next replay finds.
        """
        endpoint, body, now = await self._find(request), request.body, self._clock.now()
        chosen = [body.dead_letters is not None, body.since is not None, body.conversation_id is not None]
        if sum(chosen) != 1:
            raise InvalidInput("Name one of dead_letters, since, and conversation_id.")
        if body.start_id is not None and body.end_id is not None and body.end_id < body.start_id:
            raise InvalidInput.of("end_id", "must not be less than start_id")
        if body.conversation_id is not None:  # another application's does not exist
            await self._log.conversation(body.conversation_id, request.application_id)
        since = moment(body.since, "since")
        stream = f"{REPLAY}{self._ids.uuid()}"

        def work(connection: Connection) -> ReplayView:
            remaining = 0
            if body.conversation_id is None:
                letters = unreplayed(
                    connection, endpoint.id, since=since or 0.0, ids=body.dead_letters, limit=MAX_REPLAY
                )
                if body.dead_letters is not None and (absent := {*body.dead_letters} - {each.id for each in letters}):
                    raise InvalidInput.of("dead_letters", f"{min(absent)} is not the id of one of this endpoint's")
                mark_replayed(connection, [letter.id for letter in letters], now)
                if since is not None and len(letters) == MAX_REPLAY:
                    remaining = count_dead_letters(connection, endpoint.id, since=since)
                again = [_again(letter) for letter in letters]
            else:
                again = _range(connection, endpoint, body.conversation_id, body.start_id, body.end_id)
            if again:
                add_replay(connection, stream, endpoint.id, endpoint.application_id, again, now)
            return ReplayView(len(again), remaining)

        made = await self._log.transact(work)
        self._posting.changed(endpoint.id)
        return Reply(202, made)

    async def _find(self, request: Request[Any, Any]) -> Endpoint:
        """The endpoint of the path. Raises NotFound, also when it is another application's."""
        endpoint = await self._log.read(partial(read_endpoint, endpoint_id=request.params["endpoint_id"]))
        if endpoint is None or endpoint.application_id != request.application_id:
            raise _no_such()
        return endpoint

    async def _shown(self, request: Request[None, None]) -> Reply[EndpointView]:
        endpoint, now = await self._find(request), self._clock.now()
        return Reply(200, await self._log.read(lambda connection: _seen(connection, endpoint, now)))


def _seen(connection: Connection, endpoint: Endpoint, now: float) -> EndpointView:
    return endpoint_view(endpoint, backlog(connection, endpoint.id), count_dead_letters(connection, endpoint.id), now)


def _again(letter: DeadLetter) -> Again:
    return Again(letter.webhook_id, letter.payload)


def _range(
    connection: Connection, endpoint: Endpoint, conversation_id: str, start_id: int | None, end_id: int | None
) -> list[Again]:
    """Events of a log that the endpoint hears. Raises InvalidInput when there are too many."""
    query = EventQuery(conversation_id, MAX_REPLAY + 1, start_id=start_id, end_id=end_id)
    found = [stored.event for stored in read_events(connection, query)]
    if endpoint.conversation_id not in (None, conversation_id):
        raise InvalidInput.of("conversation_id", "must be a conversation that this endpoint hears")
    if len(found) > MAX_REPLAY:
        raise InvalidInput(f"A replay holds at most {MAX_REPLAY} events: name a smaller range.")
    return [Again(webhook_id(conversation_id, event.id or 0)) for event in found if endpoint.wants(event.type)]


def _no_such() -> NotFound:
    return NotFound(NOT_FOUND, "The endpoint does not exist, or you do not have access to it.")
