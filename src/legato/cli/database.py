"""``legato db``."""

from __future__ import annotations

import typer

app = typer.Typer(name="db", help="The database.", no_args_is_help=True)


@app.command("upgrade")
def upgrade() -> None:
    """Bring the schema up to date. A server does so by itself at its start."""
    from legato.cli.on_store import OnStore
    from legato.cli.output import note
    from legato.config import load

    settings = load()
    with OnStore.opened(settings) as store:
        note(f"The schema is at revision {store.revision()}, the newest.")
