"""``legato spec``: what this build speaks, for machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="spec", help="The API and its events, as documents made from the code that serves them.", no_args_is_help=True
)

OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Write to this file instead.", show_default=False)
]


@app.command("openapi")
def openapi(
    output: OutputOption = None,
    server_url: Annotated[str | None, typer.Option(help="The server the document names.", show_default=False)] = None,
) -> None:
    """OpenAPI 3.1 of the REST API."""
    from legato import __version__
    from legato.api.openapi import openapi as document

    _write(document(rooms(), version=__version__, server_url=server_url), output)


@app.command("asyncapi")
def asyncapi(output: OutputOption = None) -> None:
    """AsyncAPI of everything that leaves the server as an event."""
    from legato.events.export import asyncapi as document

    _write(document(), output)


@app.command("schema")
def schema(output: OutputOption = None) -> None:
    """JSON Schema of every event type."""
    from legato.events.export import json_schema

    _write(json_schema(), output)


def rooms() -> tuple[type, ...]:
    """Every class of handlers that the server has."""
    from legato.api.account import AccountRoom
    from legato.api.applications import Applications
    from legato.api.devices import DeviceRoom
    from legato.api.image import ImageRoom
    from legato.api.media import MediaRoom
    from legato.api.rooms import ROOMS
    from legato.api.webhooks import WebhookRoom

    return (*ROOMS, DeviceRoom, ImageRoom, MediaRoom, WebhookRoom, Applications, AccountRoom)


def _write(document: Any, output: Path | None) -> None:
    import msgspec

    from legato.cli.output import print_json

    if output is None:
        print_json(document)
    else:
        output.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
