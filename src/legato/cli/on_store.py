"""Administration in the database itself, while no server has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from legato.auth import load_public, public_pem
from legato.auth.capabilities import cleaned
from legato.cli.administration import AccountFacts, ApplicationFacts, SecretFacts, SignatureFacts, UserFacts
from legato.config import Settings
from legato.conversations.user import MAX_DISPLAY_NAME, MAX_NAME, User
from legato.events.ids import RandomIds
from legato.events.moment import SystemClock, iso
from legato.events.refusal import Conflict, InvalidInput, NotFound
from legato.store import Store
from legato.store.account import Secret, ensure_account, rotate_secret
from legato.store.applications import (
    Application,
    delete_application,
    insert_application,
    list_applications,
    purge_orphans,
    read_application,
    replace_application,
)
from legato.store.paging import Window
from legato.store.signature import SignatureSecrets, rotate_signature_secret
from legato.store.users import find_user_by_name, insert_user, list_users

T = TypeVar("T")

_PAGE = 500


class OnStore:
    """The database, ours for the length of one command."""

    def __init__(self, store: Store, settings: Settings, runner: asyncio.Runner) -> None:
        self._store = store
        self._settings = settings
        self._runner = runner
        self._clock = SystemClock()
        self._ids = RandomIds()

    @classmethod
    @contextlib.contextmanager
    def opened(cls, settings: Settings) -> Iterator[OnStore]:
        """Claims the installation and brings the schema up to date. Raises InUseError."""
        with settings.installation.claimed(shared=not settings.is_sqlite), asyncio.Runner() as runner:
            store = Store(settings.database)
            try:
                runner.run(store.open())
                yield cls(store, settings, runner)
            finally:
                runner.run(store.close())

    def revision(self) -> str:
        """The schema's revision, which opening has made the newest."""
        return self._read(lambda c: MigrationContext.configure(c).get_current_revision() or "none")

    def applications(self) -> list[ApplicationFacts]:
        """All of them, oldest first."""
        found: list[Application] = []
        while True:
            offset = len(found)
            page, total = self._read(lambda c: list_applications(c, offset=offset, limit=_PAGE))  # noqa: B023 - run at once
            found += page
            if not page or len(found) >= total:
                return [ApplicationFacts(each.id, each.name) for each in found]

    def create_application(self, name: str, public_key: str, capabilities: dict[str, Any]) -> str:
        """A new application's id."""
        made = Application(
            id=self._ids.uuid(),
            name=name,
            public_key=_public(public_key),
            created_at=self._clock.now(),
            capabilities=cleaned(capabilities),
        )
        self._write(lambda connection: insert_application(connection, made))
        return made.id

    def rotate_key(self, application_id: str, public_key: str) -> None:
        """Replaces the application by itself with another key."""
        key = _public(public_key)

        def work(connection: Connection) -> None:
            now = read_application(connection, application_id)
            if now is None:
                raise _no_such(application_id)
            replace_application(
                connection,
                application_id,
                name=now.name,
                capabilities=now.capabilities,
                privacy=now.privacy,
                now=self._clock.now(),
                public_key=key,
            )

        self._write(work)

    def delete_application(self, application_id: str) -> None:
        """The application and all that it owned is gone."""
        if not self._write(lambda connection: delete_application(connection, application_id)):
            raise _no_such(application_id)
        while self._write(purge_orphans):
            pass

    def account(self) -> AccountFacts:
        """The account, made now if this installation was never started."""
        settings, now = self._settings, self._clock.now()
        account = self._write(
            lambda connection: ensure_account(
                connection,
                self._ids,
                now,
                api_key=settings.api_key,
                api_secret=settings.api_secret.get_secret_value() if settings.api_secret else None,
                signature_secret=settings.signature_secret.get_secret_value() if settings.signature_secret else None,
            )
        )
        old, until = _old(account.signature, now)
        secrets = tuple(_secret(each) for each in account.secrets)
        return AccountFacts(account.api_key, account.signature_secret, secrets, old, until)

    def rotate_secret(self, overlap: float) -> SecretFacts:
        """A new secret."""
        self.account()
        now = self._clock.now()
        return _secret(self._write(lambda connection: rotate_secret(connection, self._ids, now, overlap=overlap)))

    def rotate_signature_secret(self, overlap: float) -> SignatureFacts:
        """A new signature secret."""
        self.account()
        now = self._clock.now()
        made = self._write(lambda connection: rotate_signature_secret(connection, now, overlap=overlap))
        return SignatureFacts(made.current, _old(made, now)[1])

    def create_user(self, application_id: str, name: str, display_name: str | None) -> str:
        """A new user's id."""
        if not 0 < len(name) <= MAX_NAME or "\0" in name:
            raise InvalidInput.of("name", f"must have 1 to {MAX_NAME} characters")
        if display_name is not None and not 0 < len(display_name) <= MAX_DISPLAY_NAME:
            raise InvalidInput.of("display_name", f"must have 1 to {MAX_DISPLAY_NAME} characters")
        user = User(
            id=f"USR-{self._ids.uuid()}",
            application_id=application_id,
            name=name,
            display_name=display_name,
            created_at=self._clock.now(),
        )

        def work(connection: Connection) -> None:
            if read_application(connection, application_id) is None:
                raise _no_such(application_id)
            if find_user_by_name(connection, application_id, name) is not None:
                raise Conflict("user:error:duplicate-name", "A user of that name exists: choose another name.")
            insert_user(connection, user)

        self._write(work)
        return user.id

    def users(self, application_id: str) -> list[UserFacts]:
        """The application's users, oldest first."""
        found: list[UserFacts] = []
        position: tuple[Any, ...] | None = None
        while True:
            window = Window(size=_PAGE, position=position)
            page = self._read(lambda c: list_users(c, application_id, window))  # noqa: B023 - run at once
            found += [UserFacts(user.id, user.name, user.display_name) for user in page.items]
            if not page.has_after:
                return found
            position = tuple(page.keys[-1])

    def _read(self, work: Callable[[Connection], T]) -> T:
        return self._runner.run(self._store.read(work))

    def _write(self, work: Callable[[Connection], T]) -> T:
        return self._runner.run(self._store.write(work))


def _public(pem: str) -> str:
    try:
        return public_pem(load_public(pem))
    except ValueError as error:
        raise InvalidInput.of("public_key", str(error)) from error


def _secret(secret: Secret) -> SecretFacts:
    ends = None if secret.expires_at is None else iso(secret.expires_at)
    return SecretFacts(secret.id, iso(secret.created_at), ends, secret.secret)


def _old(signature: SignatureSecrets, now: float) -> tuple[str | None, str | None]:
    """The old secret and until when it signs, as long as it does."""
    if len(signature.at(now)) == 1:
        return None, None
    return signature.old, iso(signature.old_until or now)


def _no_such(application_id: str) -> NotFound:
    return NotFound("application:error:not-found", f"There is no application {application_id}.")
