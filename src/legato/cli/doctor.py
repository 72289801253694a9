"""``legato doctor``."""

from __future__ import annotations

import typer

from legato.cli.options import JsonOption


def doctor(as_json: JsonOption = False) -> None:
    """Look at this installation and say what is wrong. Changes nothing; ends with 1 when something will not work."""
    from legato.cli.checks import CHECKS, Level
    from legato.cli.circumstances import CIRCUMSTANCES
    from legato.cli.output import print_json, print_table
    from legato.config import load

    settings = load()
    found = [finding for check in (*CHECKS, *CIRCUMSTANCES) for finding in check(settings)]
    if as_json:
        print_json([{"level": each.level.value, "about": each.about, "text": each.text} for each in found])
    else:
        print_table(("", "WHAT", "FINDING"), [(each.level.value, each.about, each.text) for each in found])
    if any(each.level is Level.BAD for each in found):
        raise typer.Exit(1)
