"""From a token to who is calling, remembered so that a token is verified once and looked up afterwards.

::

    token ─▶ remembered? ─ yes ─▶ still in time, application looked at lately ─▶ Principal        (well under 1 µs)
                │ no                        │ no
                ▼                           ▼
             issuer ─▶ its key, at most 5 s old ─▶ signature and claims ─▶ user from the directory ─▶ remembered
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from legato.auth.acl import EVERYTHING, SESSION_ONLY, Acl
from legato.auth.directory import Directory, KeyRecord
from legato.auth.keys import load_public
from legato.auth.principal import Principal
from legato.auth.tokens import EXPIRED_TOKEN, Claims, issuer, verify
from legato.events.moment import Clock
from legato.events.refusal import Unauthenticated

# A remembered token takes about 1.5 kB; the bound holds every session of a full node.
MAX_TOKENS: Final = 16_384
# A loaded key takes about 2 kB. Past the bound the oldest is loaded again when needed.
MAX_APPLICATIONS: Final = 1_024
# A change made on another node is heard over the bus; should that be lost, it counts after this long at the latest.
RECHECK_SECONDS: Final = 5.0

USER_NOT_FOUND: Final = "user:error:not-found"


@dataclass(slots=True, eq=False)
class _Application:
    """An application as last seen. ``current`` turns False for good when it is forgotten or seen otherwise."""

    record: KeyRecord
    key: RSAPublicKey
    check_at: float
    current: bool = True


@dataclass(slots=True, eq=False)
class _Remembered:
    principal: Principal
    application: _Application


@dataclass(slots=True)
class _Shelf:
    """Remembered tokens, oldest first, and which of them belong to a user."""

    entries: dict[str, _Remembered] = field(default_factory=dict)
    of_user: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def put(self, token: str, entry: _Remembered, bound: int) -> None:
        self.drop(token)
        while len(self.entries) >= bound:
            self.drop(next(iter(self.entries)))
        self.entries[token] = entry
        user = entry.principal.user
        if user is not None:
            self.of_user.setdefault((entry.principal.application_id, user.id), set()).add(token)

    def drop(self, token: str) -> None:
        entry = self.entries.pop(token, None)
        if entry is None or entry.principal.user is None:
            return
        owner = (entry.principal.application_id, entry.principal.user.id)
        tokens = self.of_user.get(owner, set())
        tokens.discard(token)
        if not tokens:
            self.of_user.pop(owner, None)


class Authenticator:
    """Turns tokens into principals.

    What it answers is true when it answers: a user deleted, a key rotated or an application deleted while a token was
    being checked is noticed, if ``forget_user`` or ``forget_application`` is called once the change is committed.
    """

    def __init__(self, directory: Directory, clock: Clock, *, api_key: str, max_tokens: int = MAX_TOKENS) -> None:
        self._directory = directory
        self._clock = clock
        self._api_key = api_key
        self._max_tokens = max_tokens
        self._applications: dict[str, _Application] = {}
        self._shelf = _Shelf()
        self._entries = self._shelf.entries
        self._forgotten = 0  # grows with every forget_…

    def __len__(self) -> int:
        """How many tokens are remembered."""
        return len(self._entries)

    def recall(self, token: str) -> Principal | None:
        """Who bears a token that was accepted before, or None when that has to be found out (``authenticate``)."""
        entry = self._entries.get(token)
        if entry is None:
            return None
        now = self._clock.now()
        application = entry.application
        if application.current and now < application.check_at and now < entry.principal.expires_at:
            return entry.principal
        return None

    async def authenticate(self, token: str | None) -> Principal:
        """Who bears ``token``.

        Raises Unauthenticated: ``system:error:invalid-token``, ``system:error:expired-token``, or
        ``user:error:not-found`` when ``sub`` names no user of the application.
        """
        if not token:
            raise Unauthenticated("A token is needed.")
        principal = self.recall(token)
        while principal is None:
            forgotten = self._forgotten
            found = await self._look_up(token)
            if forgotten == self._forgotten:
                self._shelf.put(token, found, self._max_tokens)
                principal = found.principal
            # Otherwise somebody was removed meanwhile, and this token may have been theirs: once more.
        return principal

    def forget_application(self, application_id: str) -> None:
        """The application's key was rotated, or it was deleted: its tokens have to prove themselves again."""
        self._forgotten += 1
        self._drop(application_id)

    def forget_user(self, application_id: str, user_id: str) -> None:
        """The user was deleted or changed in any way: its tokens have to prove themselves, and find it, again."""
        self._forgotten += 1
        for token in list(self._shelf.of_user.get((application_id, user_id), ())):
            self._shelf.drop(token)

    def forget_everything(self) -> None:
        """Nobody can say what has changed: every token has to prove itself again."""
        self._forgotten += 1
        for application_id in list(self._applications):
            self._drop(application_id)

    async def _look_up(self, token: str) -> _Remembered:
        application_id = issuer(token)
        application = await self._application(application_id)
        known = self._entries.get(token)
        if known is not None and known.application is application:
            # Same key, same users: only the clock has moved on.
            if self._clock.now() < known.principal.expires_at:
                return known
            self._shelf.drop(token)
            raise Unauthenticated("The token has expired.", code=EXPIRED_TOKEN)
        claims = verify(token, application.key, self._clock.now())
        return _Remembered(await self._principal(claims), application)

    async def _application(self, application_id: str) -> _Application:
        """The application as it was committed at most RECHECK_SECONDS ago, and after the last ``forget_…``."""
        while True:
            application = self._applications.get(application_id)
            if application is not None and self._clock.now() < application.check_at:
                return application
            forgotten = self._forgotten
            record = await self._directory.application_key(application_id)
            if forgotten != self._forgotten:
                continue
            if record is None:
                self._drop(application_id)
                raise Unauthenticated("The token's application does not exist.")
            return self._seen(application_id, record)

    def _drop(self, application_id: str) -> None:
        application = self._applications.pop(application_id, None)
        if application is not None:
            application.current = False

    def _seen(self, application_id: str, record: KeyRecord) -> _Application:
        """The application as the directory has it now; a change makes every token accepted before unproven."""
        check_at = self._clock.now() + RECHECK_SECONDS
        application = self._applications.get(application_id)
        if application is not None:
            if application.record == record:
                application.check_at = check_at
                return application
            self._drop(application_id)
        while len(self._applications) >= MAX_APPLICATIONS:
            self._drop(next(iter(self._applications)))
        application = _Application(record, load_public(record.public_key), check_at)
        self._applications[application_id] = application
        return application

    async def _principal(self, claims: Claims) -> Principal:
        if claims.user_name is None:
            user = None
            acl = EVERYTHING if claims.acl is None else Acl.of(claims.acl)
        else:
            user = await self._directory.user_by_name(claims.application_id, claims.user_name)
            if user is None:
                raise Unauthenticated("The user that the token is for does not exist.", code=USER_NOT_FOUND)
            acl = SESSION_ONLY if claims.acl is None else Acl.of(claims.acl)
        return Principal(
            application_id=claims.application_id,
            user=user,
            api_key=self._api_key,
            acl=acl,
            issued_at=claims.issued_at,
            expires_at=claims.expires_at,
            token_id=claims.token_id,
        )
