"""The bus over a NATS server, for many nodes or a database that has enough to do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from legato.bus.outbox import ConnectedBus

if TYPE_CHECKING:
    from nats.aio.msg import Msg

CONNECT_SECONDS: Final = 5
# A server that went without a word is noticed after two of these.
PING_SECONDS: Final = 3
# A server takes 1 MB unless it is told otherwise.
MAX_SAID: Final = 500_000


class MissingNatsError(Exception):
    """The client is not installed."""

    def __init__(self) -> None:
        super().__init__("a bus over NATS needs its client: pip install 'legato-server[nats]'")


class NatsBus(ConnectedBus):
    """Core NATS, nothing kept: one subject for all nodes of an installation. Raises MissingNatsError."""

    kind = "nats"
    longest = MAX_SAID

    def __init__(self, url: str, node: str, installation: str) -> None:
        """``installation`` keeps those apart that share a server."""
        try:
            import nats
        except ImportError as error:
            raise MissingNatsError from error
        super().__init__(node)
        self._nats = nats
        self._url = url
        self._subject = f"legato.{installation}"

    async def _converse(self) -> None:
        lost = asyncio.Event()

        async def ended() -> None:
            lost.set()

        async def ignored(_error: Exception) -> None:
            """Whatever it is, the connection ends by it or goes on."""

        async def heard(message: Msg) -> None:
            self._take(message.data.decode(errors="replace"))

        # Connecting again is done here, so that what was missed is read then.
        options: dict[str, Any] = {"allow_reconnect": False, "connect_timeout": CONNECT_SECONDS}
        options |= {"ping_interval": PING_SECONDS, "max_outstanding_pings": 2, "name": f"legato {self.node}"}
        client = await self._nats.connect(
            self._url, closed_cb=ended, disconnected_cb=ended, error_cb=ignored, **options
        )
        try:
            await client.subscribe(self._subject, cb=heard)
            await client.flush()
            self._connected()
            speaking = asyncio.create_task(self._speak(client))
            waiting = asyncio.create_task(lost.wait())
            try:
                await asyncio.wait((speaking, waiting), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (speaking, waiting):
                    task.cancel()
                await asyncio.gather(speaking, waiting, return_exceptions=True)
        finally:
            await client.close()
        raise ConnectionError

    async def _speak(self, client: Any) -> None:
        while True:
            for text in await self._next():
                await client.publish(self._subject, text.encode())
            await client.flush(CONNECT_SECONDS)
