"""What ``legato dev`` sets up: an application, alice and bob, and a conversation with both of them in it."""

from __future__ import annotations

from functools import partial
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Connection

from legato.auth import CLIENT_ACL, generate, mint
from legato.console import HOOK_PATH, DemoAccess, DemoUser
from legato.conversations import Caller, CreateConversation, JoinMember
from legato.conversations.user import User
from legato.events.ids import IdSource
from legato.installation import Installation
from legato.log import Log
from legato.store.applications import Application, insert_application, read_application, replace_application
from legato.store.conversations import name_owner
from legato.store.endpoints import read_endpoint
from legato.store.replays import resume_endpoint
from legato.store.users import find_user_by_name, insert_user

APPLICATION_NAME: Final = "Legato demo"
CONVERSATION_NAME: Final = "demo"
USERS: Final = (("alice", "Alice"), ("bob", "Bob"))
TOKEN_SECONDS: Final = 3600.0  # the page fetches a fresh one in time


async def set_up_demo(log: Log, installation: Installation, ids: IdSource, *, host: str, origin: str) -> DemoAccess:
    """The demo, made at the first start and found again at every later one.

    Its page is asked under ``host``; the server reaches itself at ``origin``, where its webhooks go unless somebody has
    given the application an event_url of its own.
    """
    now = log.clock.now()
    found = await _find(log, installation)
    if found is None:
        keys = generate()
        found = (ids.uuid(), keys.private_key)
        installation.save_key(*found)
        made = Application(
            id=found[0],
            name=APPLICATION_NAME,
            public_key=keys.public_key,
            created_at=now,
            capabilities={"rtc": {}},
        )
        await log.transact(partial(insert_application, application=made))
    application_id, private_key = found
    hook = f"{origin}{HOOK_PATH}"
    await log.transact(partial(_point_to_hook, application_id=application_id, hook=hook, now=now))
    users = []
    for name, display_name in USERS:
        user = User(
            id=f"USR-{ids.uuid()}",
            application_id=application_id,
            name=name,
            display_name=display_name,
            created_at=now,
        )
        users.append(await log.transact(partial(_ensure_user, user=user)))
    conversation_id = await _ensure_conversation(log, ids, application_id, users)
    return DemoAccess(
        application_id=application_id,
        conversation_id=conversation_id,
        users=tuple(DemoUser(user.id, user.name, user.display_name or user.name) for user in users),
        mint=lambda name: mint(private_key, application_id, sub=name, ttl=TOKEN_SECONDS, acl=CLIENT_ACL),
        hosts=frozenset((host,)),
        hook=hook,
    )


async def _find(log: Log, installation: Installation) -> tuple[str, str] | None:
    """The demo's application, if this directory has its key and the database has it."""
    for application_id in reversed(installation.applications()):
        application = await log.read(partial(read_application, application_id=application_id))
        private_key = installation.key(application_id)
        if application is not None and application.name == APPLICATION_NAME and private_key is not None:
            return application_id, private_key
    return None


def _point_to_hook(connection: Connection, application_id: str, hook: str, now: float) -> None:
    """The event_url becomes the built-in receiver's, unless somebody chose another; the port may have changed."""
    application = read_application(connection, application_id)
    if application is None:
        return
    rtc = application.capabilities.get("rtc") or {}
    webhooks = rtc.get("webhooks") or {}
    address = (webhooks.get("event_url") or {}).get("address")
    if address == hook:
        _begin_anew(connection, application_id, now)
    elif address is None or urlsplit(address).path == HOOK_PATH:
        webhooks = {**webhooks, "event_url": {"address": hook, "http_method": "POST"}}
        replace_application(
            connection,
            application_id,
            name=application.name,
            capabilities={**application.capabilities, "rtc": {**rtc, "webhooks": webhooks}},
            privacy=application.privacy,
            now=now,
        )


def _begin_anew(connection: Connection, application_id: str, now: float) -> None:
    """The receiver has started with this server: what it did not take before is sent now, unless it was paused."""
    endpoint = read_endpoint(connection, application_id)
    if endpoint is not None and endpoint.state == "active":
        resume_endpoint(connection, application_id, now)


def _ensure_user(connection: Connection, user: User) -> User:
    known = find_user_by_name(connection, user.application_id, user.name)
    if known is None:
        insert_user(connection, user)
    return known or user


async def _ensure_conversation(log: Log, ids: IdSource, application_id: str, users: list[User]) -> str:
    conversation_id = await log.read(lambda c: name_owner(c, application_id, CONVERSATION_NAME))
    if conversation_id is None:
        conversation_id = f"CON-{ids.uuid()}"
        await log.submit(
            CreateConversation(
                conversation_id=conversation_id,
                by=Caller(application_id, system=True),
                name=CONVERSATION_NAME,
                display_name="Alice and Bob",
            )
        )
    state = await log.conversation(conversation_id, application_id)
    for user in users:
        if state.my_member(user.id) is None:
            await log.submit(
                JoinMember(
                    conversation_id=conversation_id,
                    by=Caller(application_id, user.person),
                    member_id=f"MEM-{ids.uuid()}",
                    user=user.person,
                    channel={"type": "app"},
                )
            )
    return conversation_id
