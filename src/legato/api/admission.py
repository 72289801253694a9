"""Who may come in: the credential a route asks for, and how often its bearer may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from legato.api.contract import Auth, Route
from legato.api.limits import Buckets
from legato.api.settings import ApiSettings
from legato.auth import Authenticator, Credentials, Principal, authenticate_account, bearer
from legato.events.moment import Clock
from legato.events.refusal import Forbidden, InvalidInput


class Admission:
    """Checks credentials and takes from the caller's buckets, ``users`` and ``applications``.

    ``account`` reads the installation's account.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        account: Callable[[], Awaitable[Credentials]],
        settings: ApiSettings,
        clock: Clock,
    ) -> None:
        self._authenticator = authenticator
        self._account = account
        self._clock = clock
        self.users = Buckets(settings.user_rate, settings.user_burst)
        self.applications = Buckets(settings.application_rate, settings.application_burst)

    async def admit(self, route: Route, headers: Mapping[bytes, bytes], query: bytes) -> Principal | None:
        """The bearer of the token, None on routes that ask for none.

        Raises Unauthenticated, Overloaded, and Forbidden for a user's token on an administrator's route.
        """
        if route.auth is Auth.NONE:
            return None
        header = headers.get(b"authorization")
        if route.auth is Auth.OPTIONAL and header is None:
            return None
        credential = None if header is None else header.decode("latin-1")
        if route.auth is Auth.BASIC:
            await self._basic(credential, query)
            return None
        token = bearer(credential)
        principal = None if token is None else self._authenticator.recall(token)
        if principal is None:
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
