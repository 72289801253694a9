"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from legato.cli.problems import CommandError

if TYPE_CHECKING:
    from legato.config import Settings

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar="LEGATO_SERVER",
        help="URL of the server to ask: about applications and the account with LEGATO_API_KEY and LEGATO_API_SECRET, "
        "about anything else with the application's key. Without it: the server on this machine, or the database "
        "where that will do.",
        show_default=False,
    ),
]
ApplicationOption = Annotated[
    str | None,
    typer.Option("--app", help="The application's id. Needed when keys of several are kept here.", show_default=False),
]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key",
        envvar="LEGATO_PRIVATE_KEY_FILE",
        help="File of the application's private key. Without it: the one kept here.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def read_key(path: Path | None) -> str | None:
    """The private key in a file, None when no file is named. Raises CommandError."""
    if path is None:
        return None
    from legato.auth import load_private

    try:
        text = path.read_text()
        load_private(text)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except ValueError as error:
        raise CommandError(f"{path} {error}") from error
    return text


def application_of(settings: Settings, named: str | None) -> str:
    """The application that is meant: the one named, else the only one whose key is kept here. Raises CommandError."""
    from legato.events.ids import is_uuid

    if named is not None:
        if not is_uuid(named):
            raise CommandError(f"{named!r} is not an application's id: `legato app list` lists them")
        return named
    kept = settings.installation.applications()
    if len(kept) == 1:
        return kept[0]
    if not kept:
        raise CommandError(
            "no application's key is kept here: name one with --app, or make one with `legato app create`"
        )
    raise CommandError("name the application with --app; keys are kept here of\n  " + "\n  ".join(kept))
