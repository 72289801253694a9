"""The process: what it may open, its socket, and the server around the application until it is told to stop."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import uvicorn
import uvloop

from legato.app import Application
from legato.arrivals import Arrivals, Droppable
from legato.config import Settings
from legato.installation import Announcement
from legato.operations import logs
from legato.operations.traces import Traces

# Connections that the kernel holds for us while a crowd reconnects.
BACKLOG: Final = 4096
# Answers under way get this long when the server is told to stop.
DRAIN_SECONDS: Final = 10
# A connection may rest that long between two requests: longer than proxies and browsers keep theirs, of which most give
# them up after 60 s. Who keeps a connection for longer than the other side sends into a closed one now and then.
KEEP_ALIVE_SECONDS: Final = 75


def run(
    settings: Settings, *, with_demo: bool = False, on_ready: Callable[[Application], None] = lambda _app: None
) -> None:
    """Serves until SIGTERM or SIGINT. ``with_demo`` is no setting: only ``legato dev`` may hand out tokens.

    Raises InUseError when another process has the data directory.
    """
    for_people = with_demo or sys.stderr.isatty()
    logs.set_up(settings.log_level, settings.log_format or ("text" if for_people else "json"))
    _allow_files(settings.max_files)
    traces = Traces.started(os.environ)
    claim = settings.installation.claim(shared=not settings.is_sqlite)
    try:
        uvloop.run(_serve(settings, claim.announce, on_ready, with_demo=with_demo))
    finally:
        claim.release()
        if traces is not None:
            traces.close()


async def _serve(
    settings: Settings,
    announce: Callable[[Announcement], None],
    on_ready: Callable[[Application], None],
    *,
    with_demo: bool,
) -> None:
    listener = _listen(settings)
    if settings.port == 0:
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
    app = await Application.open(settings, with_demo=with_demo)
    config = uvicorn.Config(
        app,
        ws=app.sessions.websocket_class,
        http=Droppable if with_demo else Arrivals,
        loop="uvloop",
        lifespan="off",
        backlog=BACKLOG,
        access_log=False,  # the token of a client is in the URL of its websocket
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = _Server(config, app)
    try:
        announce(
            Announcement(
                pid=os.getpid(),
                url=settings.origin,
                api_key=app.account.api_key,
                secret=app.local_secret,
                certificate=str(settings.tls_certificate) if settings.tls_certificate else None,
            )
        )
        server.when_ready = partial(on_ready, app)
        await server.serve(sockets=[listener])
    finally:
        await app.close()


class _Server(uvicorn.Server):
    """uvicorn, told to let go of long-lived connections first when it stops."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self._app = app
        self.when_ready: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end ``serve``, and nothing more: uvicorn would raise them again and end the process by it,
        before what runs behind the server is closed. The second one does that.
        """
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.begin_to_stop()
        await super().shutdown(sockets)


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(BACKLOG)
    return listener


def _allow_files(wanted: int) -> None:
    """As many open files as are wanted, as far as the system lets us: it begins with 1,024 for most processes."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
