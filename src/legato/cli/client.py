"""A running server, asked over HTTP: the one way in which commands make requests. No redirect is followed."""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Generator
from typing import Any, Final, TypeVar

import msgspec

from legato.cli.problems import CommandError
from legato.config import Settings
from legato.installation import Announcement

T = TypeVar("T")

TIMEOUT_SECONDS: Final = 30.0
MAX_LINE: Final = 1024 * 1024  # bytes of a stream's line; an event with its headers is a tenth of it
MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes; a hundred events of the largest kind are a hundredth of it
MAX_LOCATION: Final = 200  # characters of where a redirect leads that are told


class AnswerError(CommandError):
    """The server refused: its HTTP status and its own words."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class UnansweredError(CommandError):
    """There was no answer: ``reason`` says why in the system's words."""

    def __init__(self, url: str, error: Exception) -> None:
        self.reason = str(getattr(error, "reason", None) or error)
        super().__init__(f"there is no answer from {url}: {self.reason}")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Whoever answers does not choose whom this machine asks, nor who is shown its credentials."""

    def redirect_request(self, *_: Any) -> None:
        return None


# What a server that starts or stops answers, or a proxy in its place.
AWAY: Final = frozenset((502, 503, 504))
AGAIN_SECONDS: Final = 1.0


def until_answered(ask: Callable[[], T]) -> T:
    """The result of ``ask``, from a server that may go away and come back meanwhile, which is said once. Raises
    AnswerError.
    """
    import time

    from legato.cli.output import note

    has_said = False
    while True:
        try:
            return ask()
        except CommandError as error:
            if isinstance(error, AnswerError) and error.status not in AWAY:
                raise
            if not has_said:
                note(f"{error}. Asking again until there is …")
                has_said = True
            time.sleep(AGAIN_SECONDS)


class Client:
    """Asks one server. ``account`` is key and secret, for what needs them; ``timeout`` is how many seconds may pass
    without a byte of an answer.
    """

    def __init__(
        self,
        url: str,
        account: tuple[str, str] | None,
        trust: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        self.url = url.rstrip("/")
        self._account = account
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=trust))

    @classmethod
    def announced(cls, announcement: Announcement) -> Client:
        """The server on this machine that said so."""
        trust = None
        if announcement.certificate is not None:
            # It is our own server, under an address that its certificate need not name: that very certificate is
            # what is trusted.
            trust = ssl.create_default_context(cafile=announcement.certificate)
            trust.check_hostname = False
            trust.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        return cls(announcement.url, (announcement.api_key, announcement.secret), trust)

    @classmethod
    def named(cls, url: str, settings: Settings) -> Client:
        """The server at a URL, with the account of the settings."""
        if not url.startswith(("http://", "https://")):
            raise CommandError(f"{url} is not the URL of a server: it must begin with http:// or https://")
        if settings.api_key is None or settings.api_secret is None:
            return cls(url, None)
        return cls(url, (settings.api_key, settings.api_secret.get_secret_value()))

    def as_account(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request of the account's owner, decoded. Raises AnswerError, CommandError."""
        if self._account is None:
            raise CommandError("set LEGATO_API_KEY and LEGATO_API_SECRET to the account of that server")
        credentials = b64encode(":".join(self._account).encode()).decode()
        return self._ask(method, path, body, f"Basic {credentials}")

    def as_bearer(self, token: str, method: str, path: str, body: Any = None) -> Any:
        """The same with a token."""
        return self._ask(method, path, body, f"Bearer {token}")

    def anonymous(self, method: str, path: str) -> Any:
        """The same with nothing."""
        return self._ask(method, path, None, None)

    def lines(self, token: str, path: str, silence: float) -> Generator[bytes, None, None]:
        """What is streamed to a bearer, a line at a time, without their ends. Raises AnswerError, CommandError.

        ``silence`` is how many seconds may pass without a byte.
        """
        with self._open("GET", path, None, f"Bearer {token}", silence) as answer:
            try:
                while line := answer.readline(MAX_LINE):
                    yield line.rstrip(b"\r\n")
            except (OSError, http.client.HTTPException) as error:
                raise CommandError(f"the connection to {self.url} ended: {error}") from error

    def _ask(self, method: str, path: str, body: Any, authorization: str | None) -> Any:
        with self._open(method, path, body, authorization, self._timeout) as answer:
            try:
                return _decoded(answer.read(MAX_ANSWER))
            except (OSError, http.client.HTTPException) as error:
                raise UnansweredError(self.url, error) from error

    def _open(self, method: str, path: str, body: Any, authorization: str | None, timeout: float) -> Any:
        headers = {"Accept": "application/json", "User-Agent": "legato"}
        if authorization is not None:
            headers["Authorization"] = authorization
        data = None
        if body is not None:
            data, headers["Content-Type"] = msgspec.json.encode(body), "application/json"
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http(s) only
        try:
            return self._opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as refused:
            with refused:
                raise AnswerError(refused.code, _words(refused, refused.read(MAX_ANSWER))) from refused
        except (OSError, http.client.HTTPException) as error:  # URLError is one of the first
            raise UnansweredError(self.url, error) from error


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content) if content else None
    except msgspec.DecodeError as error:
        raise CommandError("the answer is not Legato's: another program listens there") from error


def _words(refused: urllib.error.HTTPError, content: bytes) -> str:
    status, location = refused.code, refused.headers.get("location")
    if 300 <= status < 400 and location is not None:
        leads = "".join(filter(str.isprintable, location))[:MAX_LOCATION]
        return f"the server answered {status}, a redirect to {leads}, and redirects are not followed: name that server"
    try:
        body = msgspec.json.decode(content, type=dict)
    except msgspec.DecodeError:
        body = {}
    words = str(body.get("detail") or body.get("description") or f"the server answered {status}")
    reasons = [each["reason"] for each in body.get("invalid_parameters", ()) if isinstance(each, dict)]
    return " ".join([words, *reasons])
