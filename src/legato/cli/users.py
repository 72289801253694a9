"""``legato user``."""

from __future__ import annotations

from typing import Annotated

import typer

from legato.cli.options import ApplicationOption, JsonOption, KeyOption, ServerOption

app = typer.Typer(name="user", help="Users of an application.", no_args_is_help=True)


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="The name that tokens call the user by.", show_default=False)],
    display_name: Annotated[str | None, typer.Option(help="The name that others see.", show_default=False)] = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user."""
    from legato.cli.administration import administration
    from legato.cli.options import application_of, read_key
    from legato.cli.output import print_json, print_table
    from legato.config import load

    settings = load()
    application_id = application_of(settings, application)
    with administration(settings, server, private_key=read_key(key)) as installation:
        user_id = installation.create_user(application_id, name, display_name)
    if as_json:
        print_json({"id": user_id, "name": name})
    else:
        print_table(("ID", "NAME"), [(user_id, name)])


@app.command("list")
def list_(
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the users of an application."""
    from dataclasses import asdict

    from legato.cli.administration import administration
    from legato.cli.options import application_of, read_key
    from legato.cli.output import print_json, print_table
    from legato.config import load

    settings = load()
    application_id = application_of(settings, application)
    with administration(settings, server, private_key=read_key(key)) as installation:
        found = installation.users(application_id)
    if as_json:
        print_json([asdict(each) for each in found])
    else:
        print_table(("ID", "NAME", "DISPLAY NAME"), [(each.id, each.name, each.display_name or "") for each in found])
