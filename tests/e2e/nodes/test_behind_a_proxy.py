"""Two nodes behind the proxies of ``deploy/``: one address, and nobody notices a node that dies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from legato.testing.ca import Authority
from legato.testing.ports import free_port
from legato.testing.postgres import Cluster, MissingPeerError
from legato.testing.proxy import Kind, Proxy
from legato.testing.server import Application, Server
from legato.testing.session import Session
from tests.conftest import missing
from tests.e2e.load import Room
from tests.e2e.nodes.conftest import Nodes, settings_for

DEPLOY = Path(__file__).parents[3] / "deploy"
FILES: dict[Kind, Path] = {"nginx": DEPLOY / "nginx.conf", "haproxy": DEPLOY / "haproxy.cfg"}


@dataclass
class Site:
    """Two nodes behind one address."""

    nodes: Nodes
    proxy: Proxy
    application: Application
    room: Room
    http: aiohttp.ClientSession
    trust: ssl.SSLContext

    async def ask(self, method: str, path: str, body: Any = None, *, name: str | None = None) -> tuple[int, Any]:
        """A call through the proxy."""
        headers = {"Authorization": f"Bearer {self.application.token(name)}"}
        url = self.proxy.url + path
        async with self.http.request(method, url, json=body, headers=headers, ssl=self.trust) as answer:
            content = await answer.read()
            return answer.status, msgspec.json.decode(content) if content else None

    async def text(self, text: str) -> int:
        """A text of alice's; its id."""
        body = {"type": "text", "body": {"text": text}}
        status, answer = await self.ask("POST", f"/v1/conversations/{self.room.cid}/events", body, name="alice")
        assert status == 201, answer
        number: int = answer["id"]
        return number


@pytest.fixture(params=sorted(FILES))
def proxy_kind(request: pytest.FixtureRequest) -> Kind:
    """Each proxy."""
    kind: Kind = request.param
    return kind


@pytest.fixture
def database(postgres: Cluster) -> Iterator[str]:
    """An empty database of PostgreSQL."""
    made = postgres.database()
    yield made
    postgres.drop(made)


@pytest.fixture
async def site(
    proxy_kind: Kind, database: str, make_server: Callable[..., Server], tmp_path: Path, authority: Authority
) -> AsyncIterator[Site]:
    """Behind each proxy."""
    port = free_port()
    settings = settings_for(None) | {"LEGATO_PUBLIC_URL": f"https://127.0.0.1:{port}"}
    nodes = Nodes(make_server, database, settings)
    ports = [nodes.add().port, nodes.add().port]
    nodes.until_known(2)
    directory = tmp_path / "proxy"
    directory.mkdir()
    try:
        proxy = Proxy(proxy_kind, FILES[proxy_kind], directory, ports, authority.issue("127.0.0.1"), port=port)
    except MissingPeerError as error:
        missing(str(error))
        raise
    server = nodes.servers[0]
    application = server.application()
    for name in ("alice", "bob"):
        server.user(application, name)
    room = Room.make(server, application, ["alice", "bob"])
    trust = ssl.create_default_context(cafile=str(authority.certificate))
    with proxy:
        async with aiohttp.ClientSession() as http:
            yield Site(nodes, proxy, application, room, http, trust)


async def test_two_nodes_are_one_address_that_outlives_either(site: Site) -> None:
    await links_name_the_proxy_and_the_metrics_stay_at_home(site)
    await long_polling_stays_at_one_node(site)
    await clients_come_back_when_their_node_is_killed(site)


async def links_name_the_proxy_and_the_metrics_stay_at_home(site: Site) -> None:
    status, conversation = await site.ask("GET", f"/v1/conversations/{site.room.cid}")
    assert status == 200
    assert conversation["_links"]["self"]["href"].startswith(site.proxy.url)
    for path, expected in (("/metrics", 404), ("/health/ready", 200)):
        async with site.http.get(site.proxy.url + path, ssl=site.trust) as answer:
            assert answer.status == expected


async def long_polling_stays_at_one_node(site: Site) -> None:
    path = f"{site.proxy.url}/v2/rtc/?EIO=4&transport=polling"
    for _ in range(4):
        async with site.http.get(path, ssl=site.trust) as opened:
            sid = msgspec.json.decode((await opened.read())[1:])["sid"]
        async with site.http.post(f"{path}&sid={sid}", data=b"40", ssl=site.trust) as answer:
            assert answer.status == 200, await answer.text()
        async with site.http.get(f"{path}&sid={sid}", ssl=site.trust) as answer:
            assert answer.status == 200
            assert (await answer.read()).startswith(b"40")


async def clients_come_back_when_their_node_is_killed(site: Site) -> None:
    token = site.application.token("bob")
    clients = [await Session(site.proxy.url, token, trust=site.trust).login() for _ in range(4)]
    sent = [await site.text(f"both {number}") for number in range(4)]
    site.nodes.servers[1].kill()
    sent += [await site.text(f"one {number}") for number in range(4)]
    lost = 0
    for client in clients:
        while sent[-1] not in client.stored(site.room.cid):
            if not client.connected:
                lost += 1
                await client.login()
            await client.until(
                lambda client=client: sent[-1] in client.stored(site.room.cid) or not client.connected, "it"
            )  # type: ignore[misc]
        assert client.stored(site.room.cid) == sent
        await client.close()
    assert 0 < lost < len(clients)  # they were at both
