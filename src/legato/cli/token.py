"""``legato token``: signed here, with a private key; no server is asked."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from legato.cli.options import ApplicationOption, KeyOption


def token(
    user: Annotated[
        str | None,
        typer.Argument(help="The user's name. Without it: a token of the application itself.", show_default=False),
    ] = None,
    ttl_seconds: Annotated[int, typer.Option("--ttl", min=1, max=86_400, help="How long it lives, in seconds.")] = 900,
    acl: Annotated[
        str | None,
        typer.Option(
            help='What it reaches, as JSON: {"paths": {"/*/users/**": {}}}. '
            "Without it: all that clients use, or everything for an application.",
            show_default=False,
        ),
    ] = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
) -> None:
    """Print a token (JWT) for a user, or for the application."""
    from legato.auth import CLIENT_ACL, mint
    from legato.cli.options import application_of, read_key
    from legato.cli.output import print_line
    from legato.cli.problems import CommandError
    from legato.config import load

    settings = load()
    if key is not None and application is None:
        raise CommandError("name the application that the key belongs to with --app")
    application_id = application_of(settings, application)
    private_key = read_key(key) or _kept(settings.installation, application_id)
    reach: dict[str, Any] | None = None if user is None else dict(CLIENT_ACL)
    print_line(mint(private_key, application_id, sub=user, ttl=ttl_seconds, acl=_acl(acl) if acl else reach))


def _kept(installation: Any, application_id: str) -> str:
    from legato.cli.problems import CommandError

    try:
        found: str | None = installation.key(application_id)
    except ValueError as error:
        raise CommandError(str(error)) from error
    if found is None:
        raise CommandError(f"the private key of {application_id} is not kept here: name its file with --key")
    return found


def _acl(text: str) -> dict[str, Any]:
    """The list as it goes into the token, once it is known that the server will read it."""
    import msgspec

    from legato.auth import Acl
    from legato.cli.problems import CommandError

    try:
        claim: dict[str, Any] = msgspec.json.decode(text, type=dict)
    except msgspec.DecodeError as error:
        raise CommandError(f"--acl is not a JSON object: {error}") from error
    Acl.of(claim)
    return claim
