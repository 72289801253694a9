"""Users: made, changed and deleted by the application; read by everyone in it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec.structs import replace
from sqlalchemy import Connection

from legato.api.bodies import UserChanges, changed_user
from legato.api.contract import NEW, OLD, Generation, Reply, Request, route
from legato.api.finding import Finder
from legato.api.idempotency import key_of
from legato.api.paging import BY_AGE, Key, PageQuery, Turn
from legato.api.render.views import SessionView
from legato.api.services import Services
from legato.api.times import Moment, moment
from legato.conversations import MemberState
from legato.conversations.bounds import MAX_USER_DATA, bounded
from legato.conversations.user import User, no_such_user
from legato.events.refusal import Refusal
from legato.log import forget_user
from legato.store.conversation_lists import participations
from legato.store.heads import PersonChanged
from legato.store.paging import Slice
from legato.store.user_sessions import list_sessions
from legato.store.users import change_user, find_user, find_user_by_name, insert_user, list_users

TAG = "users"


class UserQuery(PageQuery, frozen=True, kw_only=True, omit_defaults=True):
    """Filters of the list of users."""

    name: str | None = None


class OwnConversationsQuery(PageQuery, frozen=True, kw_only=True, omit_defaults=True):
    """Filters of a user's conversations."""

    state: Literal["INVITED", "JOINED", "LEFT"] | None = None
    order_by: Literal["created", "custom_sort_key"] | None = None
    date_start: Moment | None = None
    include_custom_data: bool = False


class Users:
    """Handlers of ``/users``."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._log = services.log
        self._find = Finder(services)

    @route(
        "POST",
        "/users",
        "Create a user",
        tag=TAG,
        admin_only=True,
        body=UserChanges,
        answer="user_created",
        creates=True,
        codes=("user:error:duplicate-name",),
    )
    async def create_user(self, request: Request[UserChanges, None]) -> Reply[Any]:
        """A new user; one without a name gets ``NAM-…``."""
        uuid = self._services.ids.uuid
        fields = {"name": f"NAM-{uuid()}", **changed_user(request.body)}
        fields["properties"] = _known(fields.get("properties"))
        user = User(
            id=f"USR-{uuid()}",
            application_id=request.application_id,
            created_at=self._services.clock.now(),
            **fields,
        )

        def insert(connection: Connection) -> User:
            _require_free(connection, user.application_id, user.name, user.id)
            insert_user(connection, user)
            return user

        made = await self._log.transact(insert, key=key_of(request), answer_type=User)
        return request.render.user_created(request.base, made)

    @route("GET", "/users", "List the application's users", tag=TAG, admin_only=True, query=UserQuery, answer="users")
    async def list_users(self, request: Request[None, UserQuery]) -> Reply[Any]:
        """A page of users; all of them, up to a bound, in v0.1."""
        application_id = request.application_id
        turn = Turn.of(request, whole=request.generation is Generation.V0_1)
        found = await self._log.read(lambda c: list_users(c, application_id, turn.window, name=turn.query.name))
        return request.render.users(request.base, turn.page(request, found))

    @route(
        "GET", "/users/{user_id}", "Get a user by id or name", tag=TAG, answer="user", codes=("user:error:not-found",)
    )
    async def get_user(self, request: Request[None, None]) -> Reply[Any]:
        """A user; ``me`` is the token's."""
        user = await self._find.user(request.principal, request.params["user_id"])
        return request.render.user(request.base, user)

    @route(
        "PATCH",
        "/users/{user_id}",
        "Change a user",
        tag=TAG,
        generations=NEW,
        admin_only=True,
        body=UserChanges,
        answer="user_changed",
        codes=("user:error:not-found", "user:error:duplicate-name"),
    )
    @route(
        "PUT",
        "/users/{user_id}",
        "Change a user",
        tag=TAG,
        generations=OLD,
        admin_only=True,
        body=UserChanges,
        answer="user_changed",
        codes=("user:error:not-found", "user:error:duplicate-name"),
    )
    async def change_user(self, request: Request[UserChanges, None]) -> Reply[Any]:
        """The changed user; events keep the user as it was when they were made."""
        application_id = request.application_id
        changes = changed_user(request.body)
        user_id = (await self._find.user(request.principal, request.params["user_id"])).id
        now = self._services.clock.now()

        def change(connection: Connection) -> User:
            user = find_user(connection, application_id, user_id)
            if user is None:
                raise no_such_user()
            if not changes:
                return user
            if "name" in changes:
                _require_free(connection, application_id, changes["name"], user_id)
            after = dict(changes)
            if "properties" in after:
                after["properties"] = _known({**user.properties, **after["properties"]} if after["properties"] else {})
                bounded(after["properties"], MAX_USER_DATA)
            change_user(connection, user_id, {**after, "updated_at": now})
            return replace(user, **after, updated_at=now)

        changed = await self._log.transact(change, people=[PersonChanged(user_id, application_id)])
        self._services.auth.forget_user(application_id, user_id)
        return request.render.user_changed(request.base, changed)

    @route(
        "DELETE",
        "/users/{user_id}",
        "Delete a user",
        tag=TAG,
        admin_only=True,
        answer="user_deleted",
        codes=("user:error:not-found",),
    )
    async def delete_user(self, request: Request[None, None]) -> Reply[Any]:
        """The user leaves its conversations, its sessions end, and its name is blanked in what it said."""
        application_id = request.application_id
        user_id = (await self._find.user(request.principal, request.params["user_id"])).id
        if not await forget_user(self._log, application_id, user_id):
            raise no_such_user()
        self._services.auth.forget_user(application_id, user_id)
        await self._services.sessions.terminate_user(user_id, "user deleted")
        return request.render.user_deleted()

    @route(
        "GET",
        "/users/{user_id}/conversations",
        "List a user's conversations",
        tag=TAG,
        query=OwnConversationsQuery,
        answer="user_conversations",
        codes=("user:error:not-found",),
    )
    async def list_user_conversations(self, request: Request[None, OwnConversationsQuery]) -> Reply[Any]:
        """Those the user is invited to or has joined, or those of the state that is asked for."""
        user_id = await self._find.own_user_id(request.principal, request.params["user_id"])
        application_id = request.application_id
        turn = Turn.of(request, whole=request.generation is Generation.V0_1, key=_place)
        query = turn.query
        found = await self._log.read(
            lambda c: participations(
                c,
                application_id,
                user_id,
                turn.window,
                state=MemberState(query.state) if query.state else None,
                by_sort_key=query.order_by == "custom_sort_key",
                since=moment(query.date_start, "date_start"),
            )
        )
        return request.render.user_conversations(request.base, turn.page(request, found), query.include_custom_data)

    @route(
        "GET",
        "/users/{user_id}/sessions",
        "List a user's client sessions",
        tag=TAG,
        query=PageQuery,
        answer="sessions",
        codes=("user:error:not-found",),
    )
    async def list_user_sessions(self, request: Request[None, PageQuery]) -> Reply[Any]:
        """Sessions that are connected or can still be resumed."""
        user_id = await self._find.own_user_id(request.principal, request.params["user_id"])
        turn = Turn.of(request)
        found = await self._log.read(lambda connection: list_sessions(connection, user_id, turn.window))
        person, api_key = await self._find.known(user_id), request.principal.api_key
        views = [SessionView(session.id, person, api_key, session.properties) for session in found.items]
        page = turn.page(request, Slice(views, found.keys, found.has_before, found.has_after))
        return request.render.sessions(request.base, page)


def _place(query: OwnConversationsQuery) -> Key:
    return (str, *BY_AGE) if query.order_by == "custom_sort_key" else BY_AGE


def _known(properties: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (properties or {}).items() if value is not None}


def _require_free(connection: Connection, application_id: str, name: str, user_id: str) -> None:
    owner = find_user_by_name(connection, application_id, name)
    if owner is not None and owner.id != user_id:
        raise Refusal("user:error:duplicate-name", "A user of that name exists: choose another name.")
