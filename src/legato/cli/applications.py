"""``legato app``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from legato.cli.options import JsonOption, ServerOption

app = typer.Typer(name="app", help="Applications: who owns conversations and users.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The application's id.", show_default=False)]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key-file",
        help="Write the private key there instead of keeping it in the data directory.",
        show_default=False,
    ),
]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What to call it.", show_default=False)],
    key_file: KeyFile = None,
    event_url: Annotated[
        str | None, typer.Option(help="The address of its event webhook (rtc).", show_default=False)
    ] = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make an application and its key pair. The private key never leaves this machine."""
    from legato.auth import generate
    from legato.cli.administration import administration
    from legato.cli.output import print_json, print_table
    from legato.config import load

    settings = load()
    pair = generate()
    refuse_to_overwrite(key_file)
    capabilities = {} if event_url is None else {"rtc": {"webhooks": {"event_url": {"address": event_url}}}}
    with administration(settings, server) as installation:
        application_id = installation.create_application(name, pair.public_key, capabilities)
    path = keep_key(application_id, pair.private_key, key_file)
    if as_json:
        print_json({"id": application_id, "name": name, "private_key_file": str(path)})
    else:
        print_table(("ID", "NAME", "PRIVATE KEY"), [(application_id, name, str(path))])


@app.command("list")
def list_(server: ServerOption = None, as_json: JsonOption = False) -> None:
    """List the applications."""
    from legato.cli.administration import administration
    from legato.cli.output import print_json, print_table
    from legato.config import load

    settings = load()
    with administration(settings, server) as installation:
        found = installation.applications()
    kept = set(settings.installation.applications())
    if as_json:
        print_json([{"id": each.id, "name": each.name, "has_private_key": each.id in kept} for each in found])
    else:
        rows = [(each.id, each.name, "kept here" if each.id in kept else "") for each in found]
        print_table(("ID", "NAME", "PRIVATE KEY"), rows)


@app.command("rotate-key")
def rotate_key(
    application_id: IdArgument, key_file: KeyFile = None, server: ServerOption = None, as_json: JsonOption = False
) -> None:
    """Give an application a new key pair. Tokens of the old one end at once, and with them its client sessions."""
    from legato.auth import generate
    from legato.cli.administration import administration
    from legato.cli.output import print_json, print_table
    from legato.config import load

    settings = load()
    pair = generate()
    refuse_to_overwrite(key_file)
    with administration(settings, server) as installation:
        installation.rotate_key(application_id, pair.public_key)
    path = keep_key(application_id, pair.private_key, key_file)
    if as_json:
        print_json({"id": application_id, "private_key_file": str(path)})
    else:
        print_table(("ID", "PRIVATE KEY"), [(application_id, str(path))])


@app.command("delete")
def delete(
    application_id: IdArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    server: ServerOption = None,
) -> None:
    """Delete an application with its users, conversations and files."""
    from legato.cli.administration import administration
    from legato.config import load

    settings = load()
    if not yes:
        typer.confirm(f"Delete {application_id} and everything that belongs to it?", abort=True, err=True)
    with administration(settings, server) as installation:
        installation.delete_application(application_id)
    settings.installation.forget_key(application_id)


def refuse_to_overwrite(key_file: Path | None) -> None:
    """Raises CommandError before anything is made whose key could then not be written."""
    from legato.cli.problems import CommandError

    if key_file is not None and (key_file.exists() or not key_file.absolute().parent.is_dir()):
        raise CommandError(f"{key_file} exists already, or its directory does not; nothing was done")


def keep_key(application_id: str, private_key: str, key_file: Path | None) -> Path:
    """Writes a private key where it was asked for, else into the data directory; where it is."""
    import os

    from legato.config import load

    if key_file is None:
        return load().installation.save_key(application_id, private_key)
    descriptor = os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(private_key)
    return key_file
