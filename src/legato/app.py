"""The whole server: every room, wired, started and stopped in order.

::

    uvicorn ─┬─ HTTP ──────▶ /v2/rtc/…  long polling            sessions
             │               /health/…, /metrics                operations
             │               /v0.1 … /v3                        api
             │               / and /console                     console (legato dev)
             └─ websocket ─▶ /v2/rtc/                           sessions, without ASGI in between
"""

from __future__ import annotations

import gc
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from legato import __version__
from legato.api import Api, ApiSettings, Services
from legato.api.account import AccountRoom
from legato.api.admission import Admission
from legato.api.applications import ApplicationChanged, Applications
from legato.api.devices import DeviceRoom
from legato.api.image import ImageRoom
from legato.api.image_worker import ImageWorker
from legato.api.media import MediaRoom
from legato.api.openapi import openapi
from legato.api.rooms import rooms
from legato.api.webhooks import WebhookRoom
from legato.auth import Authenticator, Credentials, StoredDirectory, WithLocalSecret
from legato.chores import Chores
from legato.cluster import Cluster
from legato.config import Settings
from legato.console import Console, DemoAccess
from legato.demo import set_up_demo
from legato.dialects import Dialect, SocketEvent, for_socket
from legato.doorway import Doorway
from legato.events.envelope import Event
from legato.events.ids import RandomIds
from legato.hearsay import Hearsay
from legato.log import Log, Upkeep
from legato.manners import Manners
from legato.operations import Health, Metrics, Operations
from legato.outbound import Outbound
from legato.sessions import Limits, Sessions
from legato.sessions import Settings as SessionSettings
from legato.sessions.websocket import PATHS
from legato.store import Store
from legato.store.account import Account, ensure_account, read_account
from legato.store.files import Files
from legato.store.media_links import MediaLinks
from legato.store.signature import SignatureSecrets
from legato.store.signing import MEDIA_LINKS, signing_secret
from legato.webhooks import Policy, Signer, Webhooks

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Application:
    """The server as an ASGI application. Build it with ``open``; ``close`` what was opened."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        log_: Log,
        account: Account,
        media_key: bytes,
        demo: DemoAccess | None,
        cluster: Cluster,
    ) -> None:
        clock, ids = cluster.clock, RandomIds()
        self.settings = settings
        self.cluster = cluster
        self.store = store
        self.log = log_
        self.account = account
        self.local_secret = secrets.token_urlsafe(32)  # for the commands of this machine, while this process runs
        self._clock = clock
        self._files = Files(settings.files)
        links = MediaLinks(settings.origin, media_key)
        self.manners = Manners(links, clock, render_text=settings.render_text)
        self.auth = Authenticator(StoredDirectory(log_.read), clock, api_key=account.api_key)
        self.doorway = Doorway(settings.address_rate, settings.address_burst, trusted_proxies=settings.trusted_proxies)
        self.sessions = Sessions(
            log=log_,
            authenticator=self.auth,
            render=self._render,
            clock=clock,
            ids=ids,
            settings=_sessions(settings),
            node=cluster.node,
            gate=self.doorway,
        )
        api_settings = _api(settings)
        services = Services(
            log=log_,
            auth=self.auth,
            sessions=self.sessions.registry,
            settings=api_settings,
            clock=clock,
            ids=ids,
            manner=self.manners.of,
        )
        self._signer = Signer(account.api_key, account.signature, ids)
        self.webhooks = Webhooks(
            read=log_.read,
            write=log_.transact,
            outbound=Outbound(
                # Whoever tries it out has the receiver beside it; `legato dev` is for nobody else.
                dangerous_allow_private_addresses=settings.dangerous_allow_private_addresses or demo is not None
            ),
            signer=self._signer,
            clock=clock,
            ids=ids,
            policy=_patience(settings),
            node=cluster.node,
        )
        self._image_worker = ImageWorker()
        every_room = [
            *rooms(services),
            Applications(services, self._application_changed),
            AccountRoom(services, self._sign_with),
            DeviceRoom(services),
            WebhookRoom(services, self.webhooks),
            ImageRoom(services, self._files, links, self._image_worker, max_bytes=settings.max_image_bytes),
            MediaRoom(services, self._files, links, account_id=account.api_key, max_bytes=settings.max_media_bytes),
        ]
        admission = Admission(self.auth, self._credentials, api_settings, clock, self.doorway)
        self.api = Api(every_room, admission, api_settings)
        self._openapi = msgspec.json.encode(openapi(every_room, version=__version__, server_url=settings.origin))
        self.health = Health(log_)
        metrics = Metrics(log_, self.sessions, self.webhooks, self.api.tally, admission, cluster.nodes)
        self._operations = Operations(self.health, metrics, _revealed(settings.metrics_token))
        upkeep = Upkeep(
            log_,
            retention_seconds=settings.retention_seconds or None,
            attempt_seconds=settings.webhook_attempts_seconds,
        )
        self._chores = Chores(log_, upkeep, self._files, self._sign_with)
        self.console = Console(log_, demo, self.webhooks, ids, signature_secret=account.signature_secret)
        self._hearsay = Hearsay(log_, cluster.node, self.auth, self.manners, self.sessions.registry, self.webhooks)
        log_.others.on_changes = self._hearsay.hear
        log_.others.on_lost = self._begin_anew
        if cluster.nodes is not None:
            cluster.nodes.on_buried = self._buried

    @classmethod
    async def open(cls, settings: Settings, *, with_demo: bool = False) -> Application:
        """The server, ready to answer; ``with_demo`` has a page that hands out tokens.

        Raises what the database raises when it cannot be opened, or MissingNatsError.
        """
        store = Store(settings.database)
        await store.open()
        cluster = Cluster(settings, store)
        now = cluster.clock.now()
        account = await store.write(
            lambda connection: ensure_account(
                connection,
                RandomIds(),
                now,
                api_key=settings.api_key,
                api_secret=_revealed(settings.api_secret),
                signature_secret=_revealed(settings.signature_secret),
            )
        )
        media_key = await store.write(lambda connection: signing_secret(connection, MEDIA_LINKS, now))
        log_ = await cluster.open_log(account.api_key)
        demo = None
        if with_demo:
            host = urlsplit(settings.origin).hostname or ""
            here = settings.origin if settings.is_tls else settings.model_copy(update={"public_url": None}).origin
            demo = await set_up_demo(log_, settings.installation, RandomIds(), host=host, origin=here)
        app = cls(settings, store, log_, account, media_key, demo, cluster)
        await app._start()
        return app

    async def _start(self) -> None:
        await self.manners.load(self.log.read)
        await self.cluster.start()
        await self.sessions.start()
        self.log.tap(self.webhooks.hear)
        await self.webhooks.start()
        self._chores.start()
        gc.collect()
        gc.freeze()  # what stands now stands until the end: the collector need not walk it again

    def begin_to_stop(self) -> None:
        """No new work: open feeds end and clients are cut loose, to come back when there is somebody again."""
        self.health.is_stopping = True
        self.console.close()
        self.webhooks.begin_to_stop()
        self.sessions.endpoint.close()

    async def close(self) -> None:
        """Stops what runs, in the order opposite to its start; what was accepted is finished first."""
        self.begin_to_stop()
        for room in (
            self._chores,
            self.sessions,
            self.webhooks,
            self._image_worker,
            self._hearsay,
            self.cluster,
            self.log,
            self.store,
        ):
            try:
                await room.close()
            except Exception:  # the database may be away: what it does not hear of now, the next start finds
                log.exception("a room could not be closed in order; the others are")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one HTTP request, or one websocket where the server hands those over as ASGI."""
        path: str = scope["path"]
        if path in PATHS:
            await self.sessions(scope, receive, send)
        elif scope["type"] != "http":
            await receive()
            await send({"type": "websocket.close"})
        elif self._operations.owns(path):
            await self._operations(scope, receive, send)
        elif self.console.owns(path):
            await self.console(scope, receive, send)
        elif path == "/openapi.json":
            await _send_json(send, self._openapi)
        else:
            await self.api(scope, receive, send)

    def _render(self, dialect: Dialect, event: Event) -> SocketEvent | None:
        return for_socket(dialect, event, manner=self.manners.of(event.application_id))

    async def _credentials(self) -> Credentials:
        now = self._clock.now()
        return WithLocalSecret(await self.log.read(lambda connection: read_account(connection, now)), self.local_secret)

    async def _application_changed(self, event: ApplicationChanged) -> None:
        self.manners.changed(event.application_id, event.application)
        self.webhooks.application_changed(event.application_id)
        if event.ends_sessions:
            self.webhooks.listeners.end(event.application_id)
            await self.sessions.registry.terminate_application(event.application_id, event.change.value)

    def _begin_anew(self) -> None:
        """Nobody can tell what was missed: nothing that is remembered counts."""
        self.auth.forget_everything()
        self.webhooks.lost_track()
        self.sessions.registry.begin_anew()
        self._hearsay.forget_everything()

    def _sign_with(self, secrets: SignatureSecrets) -> None:
        self._signer.secrets = secrets

    async def _buried(self) -> None:
        """The others took this node for dead; what it had may be theirs."""
        self.sessions.registry.begin_anew()
        await self.webhooks.begin_anew()


def _revealed(secret: Any) -> str | None:
    return secret.get_secret_value() if secret is not None else None


def _api(settings: Settings) -> ApiSettings:
    return ApiSettings(
        public_url=settings.origin,
        socket_url=settings.websocket_url or settings.origin,
        region=settings.region,
        max_body=settings.max_body_bytes,
        user_rate=settings.user_rate,
        user_burst=settings.user_burst,
        application_rate=settings.application_rate,
        application_burst=settings.application_burst,
        session_ttl=settings.session_ttl_seconds,
    )


def _patience(settings: Settings) -> Policy:
    return Policy(
        first_wait=settings.webhook_retry_seconds,
        poison_after=settings.webhook_poison_seconds,
        give_up=settings.webhook_give_up_seconds,
    )


def _sessions(settings: Settings) -> SessionSettings:
    return SessionSettings(
        limits=Limits(
            ping_interval=settings.ping_interval_seconds,
            ping_timeout=settings.ping_timeout_seconds,
            max_buffered=settings.max_buffered_bytes,
            max_sockets=settings.max_sockets,
        ),
        max_sessions_per_user=settings.max_sessions_per_user,
        resumable_seconds=settings.session_ttl_seconds,
        token_grace_seconds=settings.token_grace_seconds,
    )


async def _send_json(send: Send, content: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"access-control-allow-origin", b"*"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
