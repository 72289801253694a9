"""What every test can ask for: the stores, a certificate authority, a server."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from legato.testing.ca import Authority
from legato.testing.postgres import Cluster, MissingPeerError, binaries
from legato.testing.server import Server

STORES = ("sqlite", "postgresql")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers, and refuse to begin without a peer where none may be missing."""
    config.addinivalue_line("markers", "crash: kills servers under load, LEGATO_CRASHES times for each store")
    config.addinivalue_line("markers", "soak: many events, LEGATO_EVENTS of them")
    config.addinivalue_line("markers", "interop: drives the official SDKs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a failure, what the test's servers have logged."""
    report = yield
    if report.failed:
        made = getattr(item, "funcargs", {})
        servers = [value for value in (made.get("server"), getattr(made.get("world"), "server", None)) if value]
        for server in {id(one): one for one in servers}.values():
            report.sections.append((f"log of {server.url}", server.log.read_text(errors="replace")[-6000:]))
    return report


def missing(what: str) -> None:
    """End a test whose peer is not on this machine: skipped for a developer, a failure where peers are required."""
    if os.environ.get("LEGATO_REQUIRE_PEERS") == "1":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL for the session. Its fsync is off: a test that asserts durability makes its own."""
    try:
        cluster = Cluster()
    except MissingPeerError as error:
        missing(str(error))
        raise
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def durable_postgres() -> Iterator[Cluster]:
    """A PostgreSQL with Debian's settings for durability, for tests that kill or that watch the disk."""
    try:
        binaries()
    except MissingPeerError as error:
        missing(str(error))
    cluster = Cluster(durable=True)
    yield cluster
    cluster.stop()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    """The name of a store: a test that asks for it runs on each."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each store, SQLite and PostgreSQL."""
    if store == "sqlite":
        yield f"sqlite:///{tmp_path / 'legato.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    url = cluster.database()
    yield url
    cluster.drop(url)


@pytest.fixture
def new_database_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """An empty database of each store, another one with every call: for tests that begin anew many times."""
    cluster: Cluster | None = request.getfixturevalue("postgres") if store == "postgresql" else None
    made: list[str] = []

    def make() -> str:
        made.append(f"sqlite:///{tmp_path / f'legato-{len(made)}.db'}" if cluster is None else cluster.database())
        return made[-1]

    yield make
    if cluster is not None:
        for url in made:
            cluster.drop(url)


@pytest.fixture
def durable_database_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The same, on stores that survive the loss of power."""
    if store == "sqlite":
        yield f"sqlite:///{tmp_path / 'legato.db'}"
        return
    cluster: Cluster = request.getfixturevalue("durable_postgres")
    url = cluster.database()
    yield url
    cluster.drop(url)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority that nobody else trusts."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only need one: each makes an application of its own. Not to be killed."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def make_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Servers of this test's own, running; what is left of them is killed."""
    made: list[Server] = []

    def make(**options: object) -> Server:
        directory = tmp_path / f"server-{len(made)}"
        directory.mkdir()
        made.append(Server(directory, **options))  # type: ignore[arg-type] # passed on as they came
        return made[-1].start()

    yield make
    for one in made:
        one.kill()
