"""What every test can ask for: the stores, a certificate authority, a server."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from legato.testing.ca import Authority
from legato.testing.databases import Databases
from legato.testing.postgres import Cluster, MissingPeerError, binaries
from legato.testing.server import Server

STORES = ("sqlite", "postgresql")

# An example takes as long as the machine is busy.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

# A server is started a hundred times: it is compiled once, whatever the environment says about that.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@event.listens_for(Pool, "checkout")
def _spare_the_disk(raw: Any, *_: object) -> None:
    """SQLite in the tests' own process does not wait for the disk, as ``postgres`` does not.

    Servers are processes of their own and do; what is promised of durability is asserted of them.
    """
    if isinstance(raw, sqlite3.Connection):
        raw.execute("PRAGMA synchronous=OFF")


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


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Where databases come from that have their schema already."""
    return Databases(tmp_path_factory.mktemp("databases") / "original.db")


@pytest.fixture
def sqlite_url(databases: Databases, tmp_path: Path) -> str:
    """A SQLite database without rows."""
    return databases.sqlite(tmp_path / "legato.db")


@pytest.fixture
def empty_database_url(new_empty_database_url: Callable[[], str]) -> str:
    """A database of each store without so much as a table: for tests of how it gets them."""
    return new_empty_database_url()


@pytest.fixture
def new_empty_database_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """The same, another one with every call."""
    cluster: Cluster | None = request.getfixturevalue("postgres") if store == "postgresql" else None
    made: list[str] = []

    def make() -> str:
        file = tmp_path / (f"empty-{len(made)}.db" if made else "legato.db")
        made.append(f"sqlite:///{file}" if cluster is None else cluster.database())
        return made[-1]

    yield make
    if cluster is not None:
        for url in made:
            cluster.drop(url)


@pytest.fixture
def database_url(new_database_url: Callable[[], str]) -> str:
    """A database of each store without rows, SQLite and PostgreSQL."""
    return new_database_url()


@pytest.fixture
def new_database_url(
    store: str, databases: Databases, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[[], str]]:
    """The same, another one with every call: for tests that begin anew many times."""
    cluster: Cluster | None = request.getfixturevalue("postgres") if store == "postgresql" else None
    made: list[str] = []

    def make() -> str:
        if cluster is None:
            made.append(databases.sqlite(tmp_path / (f"legato-{len(made)}.db" if made else "legato.db")))
        else:
            made.append(databases.postgresql(cluster))
        return made[-1]

    yield make
    if cluster is not None:
        for url in made:
            cluster.drop(url)


@pytest.fixture
def durable_database_url(store: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database of each store that survives the loss of power."""
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


@pytest.fixture(scope="session")
def shared_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, databases: Databases
) -> Iterator[Callable[..., Server]]:
    """The server on a store that has these ``settings``, one for all tests that ask for them. Not to be killed.

    Each test makes an application of its own, and leaves nothing behind that goes on.
    """
    made: dict[tuple[Any, ...], Server] = {}

    def share(store: str = "sqlite", **settings: str) -> Server:
        key = (store, *sorted(settings.items()))
        if key not in made:
            on_postgres = store == "postgresql"
            url = databases.postgresql(request.getfixturevalue("postgres")) if on_postgres else None
            directory = tmp_path_factory.mktemp("shared")
            made[key] = Server(directory, database_url=url, settings=settings).start()
        return made[key]

    yield share
    for one in made.values():
        one.stop()


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
