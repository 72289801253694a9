"""Applications v2: who may use this server, made and changed by the account's owner.

A private key is answered once, when this server made it, and kept nowhere.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from legato.api.application_views import (
    PATH,
    ApplicationBody,
    ApplicationList,
    ApplicationPage,
    ApplicationQuery,
    ApplicationView,
    Link,
    PageLinks,
    view_of,
)
from legato.api.contract import Answer, Auth, Generation, Reply, Request, route
from legato.api.idempotency import key_of_account
from legato.api.services import Services
from legato.auth import generate, load_public, public_pem
from legato.auth.capabilities import MAX_CAPABILITIES, cleaned
from legato.events.envelope import JsonObject
from legato.events.ids import is_uuid
from legato.events.refusal import InvalidInput, NotFound
from legato.store.applications import (
    Application,
    delete_application,
    insert_application,
    list_applications,
    read_application,
    replace_application,
)

MAX_BODY: Final = MAX_CAPABILITIES + 32 * 1024  # bytes: capabilities, a key and names
NOT_FOUND: Final = "application:error:not-found"

_V2: Final[dict[str, Any]] = {"tag": "Applications", "generations": (Generation.V2,), "auth": Auth.BASIC}


class Change(enum.Enum):
    """What happened to an application."""

    CREATED = "created"
    CHANGED = "changed"  # name, capabilities, settings; its key stays
    KEY_ROTATED = "key rotated"  # and perhaps more: its tokens are void, its sessions have to end
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ApplicationChanged:
    """A change that is committed. ``application`` is as it is now, None once deleted."""

    application_id: str
    change: Change
    application: Application | None

    @property
    def ends_sessions(self) -> bool:
        """Whether client sessions of the application may not go on."""
        return self.change in (Change.KEY_ROTATED, Change.DELETED)


OnApplicationChanged = Callable[[ApplicationChanged], Awaitable[None]]


class Applications:
    """``/v2/applications``. ``changed`` is awaited after each committed change and before its answer."""

    def __init__(self, services: Services, changed: OnApplicationChanged) -> None:
        self._log = services.log
        self._auth = services.auth
        self._clock = services.clock
        self._ids = services.ids
        self._changed = changed

    @route(
        "GET",
        "/applications",
        "Lists applications.",
        query=ApplicationQuery,
        replies=(Answer(200, ApplicationPage),),
        **_V2,
    )
    async def list(self, request: Request[None, ApplicationQuery]) -> Reply[ApplicationPage]:
        """One page, oldest first."""
        size, page = request.query.page_size, request.query.page
        found, total = await self._log.read(
            lambda connection: list_applications(connection, offset=(page - 1) * size, limit=size)
        )
        # An empty list has one page: the Python SDK asks on until the page it got is the last.
        pages = max(1, ceil(total / size))

        def link(number: int) -> Link:
            return Link(f"{PATH}?page_size={size}&page={number}")

        links = PageLinks(
            link(page),
            link(1),
            link(pages),
            link(page + 1) if page < pages else None,
            link(page - 1) if 1 < page <= pages else None,
        )
        return Reply(
            200, ApplicationPage(size, page, total, pages, ApplicationList([view_of(each) for each in found]), links)
        )

    @route(
        "POST",
        "/applications",
        "Creates an application.",
        body=ApplicationBody,
        max_body=MAX_BODY,
        creates=True,
        replies=(Answer(201, ApplicationView),),
        **_V2,
    )
    async def create(self, request: Request[ApplicationBody, None]) -> Reply[ApplicationView]:
        """Without a public key a pair is made, and the answer is the only place where its private half is ever seen.

        So a repeat under the same ``Idempotency-Key`` is answered without it.
        """
        body = request.body
        public_key, private_key = _given_key(body), None
        if public_key is None:
            # Finding primes takes up to some hundred milliseconds of CPU, outside of the interpreter's lock.
            pair = await asyncio.to_thread(generate)
            public_key, private_key = pair.public_key, pair.private_key
        written = _written(request)
        made = Application(
            id=self._ids.uuid(),
            name=body.name,
            public_key=public_key,
            created_at=self._clock.now(),
            capabilities=written.capabilities,
            privacy=written.privacy,
            settings=written.settings or {},
        )

        def work(connection: Connection) -> Application:
            insert_application(connection, made)
            return made

        kept = await self._log.transact(work, key=key_of_account(request), answer_type=Application)
        if kept.id == made.id:
            await self._tell(ApplicationChanged(made.id, Change.CREATED, made))
        else:
            private_key = None  # a repeat: the pair just made belongs to nothing, and the first one's half is not kept
        return Reply(201, view_of(kept, private_key), headers=((b"location", f"{PATH}/{kept.id}".encode()),))

    @route(
        "GET",
        "/applications/{application_id}",
        "Shows an application.",
        replies=(Answer(200, ApplicationView),),
        codes=(NOT_FOUND,),
        **_V2,
    )
    async def show(self, request: Request[None, None]) -> Reply[ApplicationView]:
        """Its public key included."""
        application_id = _id_of(request)
        found = await self._log.read(lambda connection: read_application(connection, application_id))
        if found is None:
            raise _no_such(application_id)
        return Reply(200, view_of(found))

    @route(
        "PUT",
        "/applications/{application_id}",
        "Replaces an application.",
        body=ApplicationBody,
        max_body=MAX_BODY,
        replies=(Answer(200, ApplicationView),),
        codes=(NOT_FOUND,),
        **_V2,
    )
    async def replace(self, request: Request[ApplicationBody, None]) -> Reply[ApplicationView]:
        """What the body leaves out is off afterwards, except the key and this server's settings.

        Another public key makes every token signed with the old one void and ends its client sessions.
        """
        application_id = _id_of(request)
        written, key, now = _written(request), _given_key(request.body), self._clock.now()

        def work(connection: Connection) -> tuple[Application, Application] | None:
            return replace_application(
                connection,
                application_id,
                name=request.body.name,
                capabilities=written.capabilities,
                privacy=written.privacy,
                now=now,
                settings=written.settings,
                public_key=key,
            )

        replaced = await self._log.transact(work)
        if replaced is None:
            raise _no_such(application_id)
        before, after = replaced
        change = Change.CHANGED if before.key_version == after.key_version else Change.KEY_ROTATED
        await self._tell(ApplicationChanged(application_id, change, after))
        return Reply(200, view_of(after))

    @route(
        "DELETE",
        "/applications/{application_id}",
        "Deletes an application and all that it owns.",
        replies=(Answer(204),),
        codes=(NOT_FOUND,),
        **_V2,
    )
    async def delete(self, request: Request[None, None]) -> Reply[None]:
        """Its tokens are void and its client sessions end before the answer."""
        application_id = _id_of(request)
        if not await self._log.transact(lambda connection: delete_application(connection, application_id)):
            raise _no_such(application_id)
        await self._tell(ApplicationChanged(application_id, Change.DELETED, None))
        return Reply(204)

    async def _tell(self, event: ApplicationChanged) -> None:
        if event.ends_sessions:
            self._auth.forget_application(event.application_id)
        await self._changed(event)


class _Written(msgspec.Struct):
    """The body's objects as their owner wrote them, keys that nobody here knows included."""

    capabilities: JsonObject = {}
    privacy: JsonObject = {}
    settings: JsonObject | None = None


class _WrittenBody(msgspec.Struct):
    capabilities: JsonObject | None = None
    privacy: JsonObject | None = None
    settings: JsonObject | None = None


_decode_written: Final = msgspec.json.Decoder(_WrittenBody).decode


def _written(request: Request[ApplicationBody, None]) -> _Written:
    found = _decode_written(request.raw)
    capabilities: JsonObject = cleaned(found.capabilities or {})
    if len(msgspec.json.encode(capabilities)) > MAX_CAPABILITIES:
        raise InvalidInput.of("capabilities", f"must be at most {MAX_CAPABILITIES} bytes of JSON")
    settings = None if found.settings is None else cleaned(found.settings)
    return _Written(capabilities, cleaned(found.privacy or {}), settings)


def _given_key(body: ApplicationBody) -> str | None:
    """The body's public key in its one stored spelling, so that the same key written otherwise rotates nothing."""
    if body.keys is None or body.keys.public_key is None:
        return None
    try:
        return public_pem(load_public(body.keys.public_key))
    except ValueError as error:
        raise InvalidInput.of("keys.public_key", str(error)) from error


def _id_of(request: Request[Any, Any]) -> str:
    """The id in the path. Raises NotFound for what this server never made."""
    application_id = request.params["application_id"]
    if not is_uuid(application_id):
        raise _no_such(application_id)
    return application_id


def _no_such(application_id: str) -> NotFound:
    return NotFound(NOT_FOUND, f"ID '{application_id}' does not exist, or you do not have access")
