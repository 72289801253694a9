"""Administration through a running server: its public API, with the account's credentials and applications' tokens."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from legato.auth import mint
from legato.cli.administration import AccountFacts, ApplicationFacts, SecretFacts, SignatureFacts, UserFacts
from legato.cli.client import Client
from legato.cli.problems import CommandError
from legato.installation import Installation

_PAGE: Final = 100
_DAY: Final = 86_400  # seconds


class OverHttp:
    """Asks a server. What only an application may ask is signed with its private key."""

    def __init__(self, client: Client, installation: Installation, private_key: str | None = None) -> None:
        self._client = client
        self._installation = installation
        self._private_key = private_key

    def applications(self) -> list[ApplicationFacts]:
        """All of them, oldest first."""
        found: list[ApplicationFacts] = []
        page, pages = 1, 1
        while page <= pages:
            answer = self._client.as_account("GET", f"/v2/applications?page_size={_PAGE}&page={page}")
            found += [ApplicationFacts(each["id"], each["name"]) for each in answer["_embedded"]["applications"]]
            page, pages = page + 1, answer["total_pages"]
        return found

    def create_application(self, name: str, public_key: str, capabilities: dict[str, Any]) -> str:
        """A new application's id."""
        body = {"name": name, "keys": {"public_key": public_key}, "capabilities": capabilities}
        application_id: str = self._client.as_account("POST", "/v2/applications", body)["id"]
        return application_id

    def rotate_key(self, application_id: str, public_key: str) -> None:
        """Replaces the application by itself with another key."""
        now = self._client.as_account("GET", f"/v2/applications/{application_id}")
        kept = {name: now[name] for name in ("name", "capabilities", "privacy")}
        body = {**kept, "keys": {"public_key": public_key}}
        self._client.as_account("PUT", f"/v2/applications/{application_id}", body)

    def delete_application(self, application_id: str) -> None:
        """The application and all that it owns is gone."""
        self._client.as_account("DELETE", f"/v2/applications/{application_id}")

    def account(self) -> AccountFacts:
        """The account; a server does not show its secrets again."""
        found = self._client.as_account("GET", "/v2/account")
        secrets = tuple(_secret(each) for each in found["secrets"])
        old, until = found.get("old_signature_secret"), found.get("old_signature_secret_until")
        return AccountFacts(found["api_key"], found["signature_secret"], secrets, old, until)

    def rotate_secret(self, overlap: float) -> SecretFacts:
        """A new secret."""
        return _secret(self._client.as_account("POST", "/v2/account/secrets", {"overlap": overlap}))

    def rotate_signature_secret(self, overlap: float) -> SignatureFacts:
        """A new signature secret."""
        made = self._client.as_account("POST", "/v2/account/signature-secret", {"overlap": overlap})
        return SignatureFacts(made["signature_secret"], made.get("old_signature_secret_until"))

    def create_user(self, application_id: str, name: str, display_name: str | None) -> str:
        """A new user's id."""
        body = {"name": name, **({} if display_name is None else {"display_name": display_name})}
        user_id: str = self.as_application(application_id, "POST", "/v1/users", body)["id"]
        return user_id

    def users(self, application_id: str) -> list[UserFacts]:
        """The application's users, oldest first."""
        items = self._pages(application_id, "/v1/users", "users")
        return [UserFacts(each["id"], each["name"], each.get("display_name")) for each in items]

    def events(self, application_id: str, conversation_id: str, query: dict[str, str]) -> list[dict[str, Any]]:
        """The conversation's events that ``query`` asks for: one page."""
        path = f"/v0.3/conversations/{conversation_id}/events?{urlencode(query)}"
        found: list[dict[str, Any]] = self.as_application(application_id, "GET", path)["_embedded"]["events"]
        return found

    def _pages(self, application_id: str, path: str, name: str) -> Iterator[dict[str, Any]]:
        query = {"page_size": str(_PAGE)}
        while True:
            answer = self.as_application(application_id, "GET", f"{path}?{urlencode(query)}")
            yield from answer["_embedded"][name]
            following = answer["_links"].get("next")
            if following is None:
                return
            # Links are written on the public URL, which need not be reachable from here: only its cursor is used.
            query["cursor"] = parse_qs(urlsplit(following["href"]).query)["cursor"][0]

    def as_application(self, application_id: str, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request of an application's, decoded. Raises AnswerError, CommandError."""
        return self._client.as_bearer(mint(self._key(application_id), application_id), method, path, body)

    def lines(self, application_id: str, path: str, *, silence: float) -> Generator[bytes, None, None]:
        """What is streamed to an application, line by line; CommandError after ``silence`` seconds without one."""
        # A stream ends with its token: a day is the longest that one lives.
        token = mint(self._key(application_id), application_id, ttl=_DAY)
        return self._client.lines(token, path, silence)

    def _key(self, application_id: str) -> str:
        key = self._private_key or self._installation.key(application_id)
        if key is None:
            raise CommandError(
                f"the private key of {application_id} is not kept here: name its file with --key FILE, "
                f"or make a new one with `legato app rotate-key {application_id}`"
            )
        return key


def _secret(found: dict[str, Any]) -> SecretFacts:
    return SecretFacts(found["id"], found["created_at"], found.get("expires_at"), found.get("secret"))
