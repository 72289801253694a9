"""``legato dev`` and ``legato serve``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HostOption = Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)]
PortOption = Annotated[
    int | None, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.", show_default=False)
]


def dev(
    memory: Annotated[bool, typer.Option("--memory", help="Forget everything at the end.")] = False,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Start a server to try: a demo application, the users alice and bob, and a page on the same port."""
    import tempfile

    from legato.app import create_app
    from legato.config import load

    if not memory:
        create_app(load(demo=True, host=host, port=port)).run()
        return
    # A directory in memory where the system has one: the same database as ever, gone at the end.
    shared_memory = Path("/dev/shm")  # noqa: S108 - a private directory is made below it
    place = shared_memory if shared_memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="legato-", dir=place) as directory:
        data = {"data_dir": Path(directory), "database_url": f"sqlite:///{directory}/legato.db"}
        create_app(load(demo=True, host=host, port=port, **data)).run()


def serve(host: HostOption = None, port: PortOption = None) -> None:
    """Start the server."""
    from legato.app import create_app
    from legato.cli.problems import CommandError
    from legato.config import load

    settings = load(host=host, port=port)
    for name in ("tls_certificate", "tls_key"):
        path: Path | None = getattr(settings, name)
        if path is not None and not path.is_file():
            raise CommandError(f"{name}: there is no file {path}")
    create_app(settings).run()
