"""``legato webhooks verify``: the signatures of a request that was captured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from legato.cli.options import JsonOption


def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The request as HTTP has it, or, with --header, its body alone. Without it: standard input.",
            show_default=False,
        ),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="LEGATO_WEBHOOK_SECRET",
            metavar="whsec_…",
            help="The endpoint's secret: checks the Standard Webhooks headers.",
            show_default=False,
        ),
    ] = None,
    signature_secret_file: Annotated[
        Path | None,
        typer.Option(
            help="File of the account's signature secret: checks the token in Authorization.", show_default=False
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help='A header of it, "name: value"; may be given again.', show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the signatures of a request that was captured. Asks no server; ends with 1 when a check fails."""
    from legato.cli.captured import captured, verified
    from legato.cli.output import print_json, print_table

    checks = verified(captured(file, header or []), secret, signature_secret_file)
    if as_json:
        print_json([{"about": each.about, "passed": each.passed, "text": each.told} for each in checks])
    else:
        rows = [("ok" if each.passed else "error", each.about, each.told) for each in checks]
        print_table(("", "WHAT", "FINDING"), rows)
    if not all(each.passed for each in checks):
        raise typer.Exit(1)
