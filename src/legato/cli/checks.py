"""What ``legato doctor`` looks at. Each check looks at one thing, changes nothing, and says what to do."""

from __future__ import annotations

import enum
import ipaddress
import os
import resource
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from legato.cli.administration import running_server
from legato.cli.problems import CommandError
from legato.config import Settings, config_file, unknown_variables
from legato.installation import InUseError

LITTLE_SPACE: Final = 1024**3  # bytes; a day of a busy server's log
NO_SPACE: Final = 64 * 1024**2  # bytes; what SQLite's write-ahead log may need by itself
RENEWAL: Final = timedelta(days=14)  # certificates are commonly renewed 30 days before their end
CONNECT_SECONDS: Final = 5
TLS: Final = "set tls_certificate and tls_key, or let a proxy speak TLS and set public_url to its https:// address"
RENEW: Final = "renew it, and restart the server, which reads it when it starts"


class Level(enum.Enum):
    """How bad it is."""

    GOOD = "ok"
    DOUBTFUL = "warning"
    BAD = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    about: str
    text: str


Check = Callable[[Settings], Iterator[Finding]]


def good(about: str, text: str) -> Finding:
    """All is well."""
    return Finding(Level.GOOD, about, text)


def doubtful(about: str, text: str) -> Finding:
    """It works, and may not be meant."""
    return Finding(Level.DOUBTFUL, about, text)


def bad(about: str, text: str) -> Finding:
    """It will not work."""
    return Finding(Level.BAD, about, text)


def check_settings(settings: Settings) -> Iterator[Finding]:
    """Where settings come from, and variables that are none."""
    source = config_file()
    yield good("settings", f"read from {source} and the environment" if source else "read from the environment")
    for name in unknown_variables(os.environ):
        yield doubtful("settings", f"{name} is set and there is no such setting: look at its spelling, or unset it")


def check_data_directory(settings: Settings) -> Iterator[Finding]:
    """Whether the directory can be written to, by nobody else, with room to spare."""
    place = settings.data_dir.absolute()
    if not place.exists():
        parent = next(parent for parent in place.parents if parent.exists())
        if os.access(parent, os.W_OK):
            yield good("data directory", f"{place} will be made")
        else:
            yield bad(
                "data directory",
                f"{place} does not exist and {parent} cannot be written to: make it, for whoever runs the server",
            )
        return
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield bad("data directory", f"{place} cannot be written to by this user: chown it to whoever runs the server")
        return
    if place.stat().st_mode & 0o077:
        yield doubtful("data directory", f"{place} can be read by others; it holds secrets: chmod 700 {place}")
    yield room_at("data directory", place)


def room_at(about: str, place: Path) -> Finding:
    """Whether there is room at a place."""
    free = shutil.disk_usage(place).free
    if free >= LITTLE_SPACE:
        return good(about, f"{place}, {free / 1024**3:.0f} GB free")
    told = f"{free // 1024**2} MB are free at {place}: make room, or set retention_seconds"
    return bad(about, told) if free < NO_SPACE else doubtful(about, told)


def check_database(settings: Settings) -> Iterator[Finding]:
    """Whether the database can be used and is of this build's revision, and which servers have it.

    A SQLite file that a server has is not looked into.
    """
    if settings.is_sqlite:
        file = Path(settings.database.partition("///")[2])
        version = sqlite3.sqlite_version
        if not file.exists():
            yield good("database", f"{file} will be made (SQLite {version})")
            return
        if running_server(settings, None) is not None:
            yield good("database", f"{file} is in use by the server (SQLite {version})")
            return
    yield from _revision(settings)


def _revision(settings: Settings) -> Iterator[Finding]:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import SQLAlchemyError

    from legato.store.migrate import is_known, revision
    from legato.store.nodes import read_nodes

    url = make_url(settings.database)
    options = {} if settings.is_sqlite else {"connect_timeout": CONNECT_SECONDS}
    if not settings.is_sqlite:
        url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url, connect_args=options)
    shown = url.render_as_string(hide_password=True)
    try:
        current, newest = revision(engine)
        nodes = []
        if current == newest and not settings.is_sqlite:
            with engine.connect() as connection:
                nodes = read_nodes(connection)
    except SQLAlchemyError as error:
        told = str(getattr(error, "orig", None) or error).strip()
        yield bad("database", f"{shown}: {told}; is it running, and is database_url right?")
        return
    finally:
        engine.dispose()
    if current == newest:
        yield good("database", f"{shown} is at revision {newest}")
    elif current is None:
        yield good("database", f"{shown} is empty and will be filled at the first start")
    elif not is_known(current):
        yield bad("database", f"{shown} is at revision {current}, which a newer Legato has made: use that, or a backup")
    else:
        yield doubtful("database", f"{shown} is at revision {current}, this build's is {newest}: legato db upgrade")
    for node in nodes:
        if node.left > 0:
            yield good("nodes", f"{node.name} is there")
        else:
            yield doubtful("nodes", f"{node.name} does not say any more that it is there: the others go on without it")


def check_server(settings: Settings) -> Iterator[Finding]:
    """Whether a server answers here, or could."""
    try:
        client = running_server(settings, None)
    except InUseError as error:
        yield doubtful("server", str(error))
        return
    if client is None:
        yield _port(settings)
        return
    try:
        client.anonymous("GET", "/v1/ping")
        client.as_account("GET", "/v2/account")
    except CommandError as error:
        yield bad("server", f"{client.url} is said to run: {error}; look at its log, and start it again")
    else:
        yield good("server", f"answers at {client.url}")


def _port(settings: Settings) -> Finding:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return bad(
                "server",
                f"{settings.host}:{settings.port} cannot be listened on: {error.strerror or error}; set port or host",
            )
    place = f"{settings.host}:{settings.port} is free" if settings.port else f"it will take a port of {settings.host}"
    return good("server", f"does not run; {place}")


def check_tls(settings: Settings) -> Iterator[Finding]:
    """Whether certificate and key can be used, for how long, and for the public name."""
    if settings.tls_certificate is None or settings.tls_key is None:
        public = urlsplit(settings.origin)
        if public.scheme == "http" and not is_loopback(public.hostname or ""):
            yield doubtful("tls", f"clients reach {settings.origin} without TLS and tokens travel in the clear: {TLS}")
        return
    import ssl

    from cryptography import x509

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
        certificate = x509.load_pem_x509_certificate(settings.tls_certificate.read_bytes())
    except (OSError, ValueError) as error:
        yield bad("tls", f"{settings.tls_certificate} and {settings.tls_key} cannot be used: {error}")
        return
    ends = certificate.not_valid_after_utc
    if ends <= datetime.now(UTC):
        yield bad("tls", f"{settings.tls_certificate} ended on {ends:%Y-%m-%d}: {RENEW}")
    elif ends <= datetime.now(UTC) + RENEWAL:
        yield doubtful("tls", f"{settings.tls_certificate} ends on {ends:%Y-%m-%d}: {RENEW}")
    else:
        yield good("tls", f"{settings.tls_certificate} is valid until {ends:%Y-%m-%d}")
    host = urlsplit(settings.origin).hostname or ""
    if not _names(certificate, host):
        yield doubtful(
            "tls", f"{settings.tls_certificate} does not name {host}, and clients will refuse it: get one that does"
        )


def _names(certificate: object, host: str) -> bool:
    from cryptography import x509

    assert isinstance(certificate, x509.Certificate)  # noqa: S101 - imported late, so not in the signature
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        wildcard = "*." + host.partition(".")[2]  # RFC 6125 6.4.3: a wildcard is the whole left-most label
        return any(name.lower() in (host, wildcard) for name in names.get_values_for_type(x509.DNSName))


def check_limits(settings: Settings) -> Iterator[Finding]:
    """Whether the system allows as many files as sockets may come."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.max_files
    if most != resource.RLIM_INFINITY and most < wanted:
        told = f"{most} open files are allowed, max_sockets = {settings.max_sockets} wants {wanted}"
        yield doubtful("limits", f"{told}: raise LimitNOFILE (systemd) or ulimit -Hn, or lower max_sockets")
    else:
        yield good("limits", f"{allowed} open files at the start, {'any number' if most < 0 else most} at most")


def check_keys(settings: Settings) -> Iterator[Finding]:
    """Whether the private keys that are kept here are keys."""
    from legato.auth import load_private

    installation = settings.installation
    kept = installation.applications()
    for application_id in kept:
        try:
            load_private(installation.key(application_id) or "")
        except ValueError as error:
            told = f"the kept key of {application_id} {error}"
            yield bad("keys", f"{told}: put the right one there, or `legato app rotate-key {application_id}`")
    yield good("keys", f"{len(kept)} private keys are kept in {settings.data_dir / 'keys'}")


CHECKS: Final[tuple[Check, ...]] = (
    check_settings,
    check_data_directory,
    check_database,
    check_server,
    check_tls,
    check_limits,
    check_keys,
)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches that address or name."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
