"""Who may come in: the credential a route asks for, and how often its bearer may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import parse_qs

from legato.api.contract import Auth, Route
from legato.api.limits import Buckets, Door
from legato.api.settings import ApiSettings
from legato.auth import Authenticator, Credentials, Principal, authenticate_account, bearer
from legato.events.moment import Clock
from legato.events.refusal import Forbidden, InvalidInput, Unauthenticated

# Who says something that was never true, unlike whose token has expired or whose user was deleted.
INVALID_TOKEN: Final = "system:error:invalid-token"  # noqa: S105 - an error code


class Admission:
    """Checks credentials and takes from the caller's buckets, ``users`` and ``applications``.

    ``account`` reads the installation's account. ``door`` bounds who fails to prove who they are; None: nobody does.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        account: Callable[[], Awaitable[Credentials]],
        settings: ApiSettings,
        clock: Clock,
        door: Door | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._account = account
        self._clock = clock
        self._door = door
        self.users = Buckets(settings.user_rate, settings.user_burst)
        self.applications = Buckets(settings.application_rate, settings.application_burst)

    @property
    def turned_away(self) -> int:
        """How many attempts to come in were refused because of their address, sockets among them."""
        return 0 if self._door is None else self._door.refused

    async def admit(
        self, route: Route, headers: Mapping[bytes, bytes], query: bytes, address: str | None = None
    ) -> Principal | None:
        """The bearer of the token, None on routes that ask for none. ``address`` is where the request comes from.

        Raises Unauthenticated, Overloaded, and Forbidden for a user's token on an administrator's route.
        """
        if route.auth is Auth.NONE:
            return None
        header = headers.get(b"authorization")
        if route.auth is Auth.OPTIONAL and header is None:
            return None
        credential = None if header is None else header.decode("latin-1")
        if route.auth is Auth.BASIC:
            with self._at_the_door(address):
                await self._basic(credential, query)
            return None
        token = bearer(credential)
        principal = None if token is None else self._authenticator.recall(token)
        if principal is None:
            with self._at_the_door(None if token is None else address):
                principal = await self._authenticator.authenticate(token)
        self.applications.take(principal.application_id)
        if principal.user is not None:
            self.users.take(principal.user.id)
            if route.admin_only:
                raise Forbidden("Only an application's own token may do this.")
        return principal

    async def confirm(self, principal: Principal, headers: Mapping[bytes, bytes]) -> None:
        """Whether the token still stands, now that the body has come: that can have taken its sender a while.

        Raises Unauthenticated when the token expired meanwhile, or its user or application was deleted.
        """
        token = bearer(headers[b"authorization"].decode("latin-1"))
        if token is not None and self._authenticator.recall(token) is not principal:
            await self._authenticator.authenticate(token)

    @contextmanager
    def _at_the_door(self, address: str | None) -> Iterator[None]:
        """Lets through whoever may try, and counts those who fail: not who had the right key, only too long ago."""
        if self._door is None:
            yield
            return
        self._door.knock(address)
        try:
            yield
        except Unauthenticated as refusal:
            if refusal.code != INVALID_TOKEN:
                self._door.welcome(address)
            raise
        except BaseException:  # ours or the database's doing
            self._door.welcome(address)
            raise
        self._door.welcome(address)

    async def _basic(self, credential: str | None, query: bytes) -> None:
        key = secret = None
        if credential is None and query:
            # Old command-line tools put both in the query.
            try:
                fields = parse_qs(query.decode("ascii"), max_num_fields=64)
            except ValueError as error:
                raise InvalidInput("The query string cannot be read.") from error
            key, secret = (fields.get(name, [None])[0] for name in ("api_key", "api_secret"))
        account = await self._account()
        authenticate_account(account, self._clock.now(), credential, key, secret)
