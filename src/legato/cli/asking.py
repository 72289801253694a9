"""What only a running server can answer, asked in an application's name."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from legato.cli.problems import CommandError

if TYPE_CHECKING:
    from legato.cli.over_http import OverHttp


@dataclass(frozen=True, slots=True)
class Asking:
    """A running server and the application that asks it."""

    server: OverHttp
    application_id: str

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The answer, decoded. Raises CommandError."""
        return self.server.as_application(self.application_id, method, path, body)

    def lines(self, path: str, *, silence: float) -> Generator[bytes, None, None]:
        """A stream, line by line; CommandError after ``silence`` seconds without one."""
        return self.server.lines(self.application_id, path, silence=silence)


def asking(application: str | None, key: Path | None, server: str | None, endpoint: str | None = None) -> Asking:
    """By what the options of those names say. Raises CommandError when no server runs.

    An application's endpoint has the application's id: whoever names that ``endpoint`` has named the application.
    """
    from legato.cli.administration import running_server
    from legato.cli.options import application_of, read_key
    from legato.cli.over_http import OverHttp
    from legato.config import load
    from legato.events.ids import is_uuid

    settings = load()
    client = running_server(settings, server)
    if client is None:
        raise CommandError("no server runs on this installation; start one, or name one with --server")
    if application is None and endpoint is not None and is_uuid(endpoint):
        application = endpoint
    source = OverHttp(client, settings.installation, read_key(key))
    return Asking(source, application_of(settings, application))
