"""``legato account``."""

from __future__ import annotations

from typing import Annotated

import typer

from legato.cli.options import JsonOption, ServerOption

app = typer.Typer(name="account", help="The account: its key, secrets and signature secret.", no_args_is_help=True)


@app.command("show")
def show(server: ServerOption = None, as_json: JsonOption = False) -> None:
    """Show the account. A running server shows which secrets are valid, not the secrets."""
    from dataclasses import asdict

    from legato.cli.administration import administration
    from legato.cli.output import note, print_json, print_table
    from legato.config import load

    with administration(load(), server) as installation:
        account = installation.account()
    if as_json:
        print_json(asdict(account))
        return
    rows = [("API key", account.api_key), ("signature secret", account.signature_secret)]
    if account.old_signature_secret is not None:
        until = account.old_signature_secret_until
        rows.append(("old signature secret", f"{account.old_signature_secret} (until {until})"))
    for each in account.secrets:
        until = f"until {each.expires_at}" if each.expires_at else "in use"
        rows.append(("API secret", f"{each.secret or each.id} ({until}, made {each.created_at})"))
    print_table(("WHAT", "VALUE"), rows)
    if all(each.secret is None for each in account.secrets):
        note("A server that runs does not show secrets; `legato account rotate-secret` makes a new one.")


@app.command("rotate-secret")
def rotate_secret(
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=2160, help="How long the secrets in use stay valid beside the new one.")
    ] = 24.0,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new API secret and print it."""
    from dataclasses import asdict

    from legato.cli.administration import administration
    from legato.cli.output import note, print_json, print_line
    from legato.config import load

    with administration(load(), server) as installation:
        made = installation.rotate_secret(overlap_hours * 3600)
    if as_json:
        print_json(asdict(made))
        return
    print_line(str(made.secret))
    note(f"Secrets made before end in {overlap_hours:g} hours." if overlap_hours else "Secrets made before have ended.")


@app.command("rotate-signature-secret")
def rotate_signature_secret(
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=2160, help="How long receivers of webhooks may have the old one.")
    ] = 24.0,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new signature secret, which the token in webhooks is signed with, and print it."""
    from dataclasses import asdict

    from legato.cli.administration import administration
    from legato.cli.output import note, print_json, print_line
    from legato.config import load

    with administration(load(), server) as installation:
        made = installation.rotate_signature_secret(overlap_hours * 3600)
    if as_json:
        print_json(asdict(made))
        return
    print_line(made.signature_secret)
    until = made.old_signature_secret_until
    note(f"Receivers may have the old one until {until}." if until else "The old one has ended.")
