"""``legato dev`` and ``legato serve``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from legato.app import Application
    from legato.config import Settings

log = logging.getLogger(__name__)

HostOption = Annotated[str | None, typer.Option(help="The address to listen on.", show_default=False)]
PortOption = Annotated[int | None, typer.Option(min=0, max=65535, help="The port; 0: any.", show_default=False)]


def dev(
    memory: Annotated[bool, typer.Option("--memory", help="Forget everything at the end.")] = False,
    host: HostOption = None,
    port: PortOption = None,
) -> None:
    """Start a server to try: a demo application, the users alice and bob, and a page on the same port."""
    import signal
    import sys
    import tempfile

    from legato.config import load

    if not memory:
        _run(load(host=host, port=port), with_demo=True)
        return
    # Told to end before the server listens to that, the process would leave the directory behind.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(0))
    # A directory in memory where the system has one: the same database as ever, gone at the end.
    shared_memory = Path("/dev/shm")  # noqa: S108 - a private directory is made below it
    place = shared_memory if shared_memory.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="legato-", dir=place) as directory:
        data: dict[str, Any] = {"data_dir": Path(directory), "database_url": f"sqlite:///{directory}/legato.db"}
        _run(load(host=host, port=port, **data), with_demo=True)


def serve(host: HostOption = None, port: PortOption = None) -> None:
    """Start the server."""
    from legato.cli.problems import CommandError
    from legato.config import load

    settings = load(host=host, port=port)
    for name in ("tls_certificate", "tls_key"):
        path: Path | None = getattr(settings, name)
        if path is not None and not path.is_file():
            raise CommandError(f"{name}: there is no file {path}")
    _run(settings)


def _run(settings: Settings, *, with_demo: bool = False) -> None:
    """Serves until told to stop."""
    from legato.serving import run

    run(settings, with_demo=with_demo, on_ready=_greet_demo if with_demo else _greet)


def _greet(app: Application) -> None:
    from legato import __version__

    log.info("Legato %s answers at %s", __version__, app.settings.origin)


def _greet_demo(app: Application) -> None:
    from legato import __version__
    from legato.cli.checks import is_loopback
    from legato.cli.output import note

    settings = app.settings
    kept = settings.installation.applications()
    note(
        f"Legato {__version__} answers at {settings.origin}\n"
        f"  the page       {settings.origin}/\n"
        f"  application    {kept[-1] if kept else ''}\n"
        f"  users          alice, bob (a token: legato token alice)\n"
        f"  data           {settings.data_dir.absolute()}"
    )
    if not is_loopback(settings.host):
        note(f"{settings.host} is reached by others: whoever opens the page speaks for alice and bob.")
