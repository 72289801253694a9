"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from legato.cli import (
    account,
    applications,
    backup,
    database,
    doctor,
    listen,
    serve,
    spec,
    tail,
    token,
    users,
    webhooks,
)

app = typer.Typer(
    name="legato",
    help="A self-hosted server for conversations: chat and calls in one ordered log of events.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from legato import __version__

        typer.echo(f"legato {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


app.command("dev")(serve.dev)
app.command("serve")(serve.serve)
app.command("token")(token.token)
app.command("tail")(tail.tail)
app.command("listen")(listen.listen)
app.command("doctor")(doctor.doctor)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
for group in (applications.app, users.app, webhooks.app, account.app, database.app, spec.app):
    app.add_typer(group)
