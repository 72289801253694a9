"""What else ``legato doctor`` looks at: what lies around the server and what it has come to know. See ``checks``."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from legato.cli.administration import running_server
from legato.cli.checks import CONNECT_SECONDS, Check, Finding, bad, doubtful, good, room_at
from legato.config import Settings
from legato.installation import InUseError

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Tokens are accepted 60 s from the future, leases of several nodes last some seconds.
SKEW_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 5.0
SHOWN: Final = 20  # endpoints that are named; more are counted
RECENT_SECONDS: Final = 86_400  # what was given up earlier was seen, or is not missed


def check_files_directory(settings: Settings) -> Iterator[Finding]:
    """Whether uploaded files can be kept."""
    place = settings.files.absolute()
    if not place.exists():
        return  # it is made at the first start, as far as the data directory's check says
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        told = "cannot be written to by this user: uploads fail; chown it to whoever runs the server"
        yield bad("files", f"{place} {told if place.is_dir() else 'is not a directory: move it away'}")
    elif settings.data_dir.exists() and place.stat().st_dev != settings.data_dir.stat().st_dev:
        yield room_at("files", place)


def check_secrets(settings: Settings) -> Iterator[Finding]:
    """Whether files that hold secrets can be read by their owner alone."""
    keys = settings.data_dir / "keys"
    files = sorted(keys.glob("*.pem")) if keys.is_dir() else []
    if settings.tls_key is not None:
        files.append(settings.tls_key)
    if settings.is_sqlite:
        files.append(Path(settings.database.partition("///")[2].partition("?")[0]))
    for path in files:
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            within = stat.S_IMODE(path.resolve().parent.stat().st_mode)
        except OSError:
            continue  # it is not there, which others look at
        # A database is made with the mode of any file: the directory around it keeps others out.
        if mode & 0o077 and within & 0o011:
            yield doubtful("secrets", f"{path} can be read by others: chmod 600 {path}")


def check_dangers(settings: Settings) -> Iterator[Finding]:
    """Settings that are right on a laptop and seldom elsewhere."""
    for name in type(settings).model_fields:
        if name.startswith("dangerous_") and getattr(settings, name):
            yield doubtful("settings", f"{name} is on: whoever owns an application reaches what this machine reaches")
    if settings.trusted_proxies.strip() == "*":
        yield doubtful("settings", "trusted_proxies = * believes everybody's X-Forwarded-For: name the proxies")
    if not settings.address_rate:
        yield doubtful("settings", "address_rate = 0: tokens and secrets may be guessed as fast as one can ask")


def check_traces(_settings: Settings) -> Iterator[Finding]:
    """Whether there will be traces where the environment asks for them."""
    from legato.operations.traces import hindrance, is_wanted

    if is_wanted(os.environ):
        problem = hindrance(os.environ)
        yield good("traces", "are sent") if problem is None else doubtful("traces", problem)


def check_clock(settings: Settings) -> Iterator[Finding]:
    """Whether this machine and a PostgreSQL agree about the time."""
    if settings.is_sqlite:
        return
    with _reading(settings) as connection:
        if connection is None:
            return
        before = time.time()
        theirs = float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
        after = time.time()
    ahead = max(0.0, before - theirs) + min(0.0, after - theirs)  # none of what the question itself may have taken
    if abs(ahead) > SKEW_SECONDS:
        way = "ahead of" if ahead > 0 else "behind"
        told = f"this machine's is {abs(ahead):.0f} s {way} the database's: synchronise both (timedatectl, chrony)"
        yield doubtful("clock", told)
    else:
        yield good("clock", "agrees with the database's")


def check_endpoints(settings: Settings) -> Iterator[Finding]:
    """Which webhook endpoints take nothing, or are not sent anything."""
    from sqlalchemy import func, or_, select
    from sqlalchemy.exc import SQLAlchemyError

    from legato.store.schema import endpoints

    with _reading(settings) as connection:
        if connection is None:
            return
        troubled = or_(endpoints.c.state == "disabled", endpoints.c.failing_since.is_not(None))
        try:
            rows = connection.execute(select(endpoints).where(troubled).order_by(endpoints.c.id).limit(SHOWN)).all()
            count = connection.execute(select(func.count()).select_from(endpoints).where(troubled)).scalar_one()
        except SQLAlchemyError:  # of another revision, which its own check says
            return
    from legato.outbound import host_of

    for row in rows:
        host = host_of(row.url) or "nowhere"
        because = f" ({row.why})" if row.why else ""
        named = _named(row.id, row.application_id)
        if row.state == "disabled":
            yield doubtful("webhooks", f"{row.id} at {host} is disabled{because}: `legato webhooks resume {named}`")
        else:
            minutes = (time.time() - row.failing_since) / 60
            told = f"has taken nothing for {minutes:.0f} minutes{because}: `legato webhooks attempts {named}`"
            yield doubtful("webhooks", f"{row.id} at {host} {told}")
    if count > len(rows):
        yield doubtful("webhooks", f"and {count - len(rows)} more: `legato webhooks list`")


def check_dead_letters(settings: Settings) -> Iterator[Finding]:
    """Which webhook endpoints were not told of something lately, though they are well."""
    from sqlalchemy import func, select
    from sqlalchemy.exc import SQLAlchemyError

    from legato.store.schema import dead_letters, endpoints

    lately = (dead_letters.c.at >= time.time() - RECENT_SECONDS) & dead_letters.c.replayed_at.is_(None)
    newest = (
        select(dead_letters.c.endpoint_id, func.count().label("count"), func.max(dead_letters.c.id).label("last"))
        .where(lately)
        .group_by(dead_letters.c.endpoint_id)
        .subquery()
    )
    query = (
        select(endpoints.c.id, endpoints.c.application_id, newest.c.count.label("given_up"), dead_letters.c.reason)
        .join(newest, newest.c.endpoint_id == endpoints.c.id)
        .join(dead_letters, dead_letters.c.id == newest.c.last)
        .order_by(newest.c.count.desc(), endpoints.c.id)
        .limit(SHOWN)
    )
    with _reading(settings) as connection:
        if connection is None:
            return
        try:
            rows = connection.execute(query).all()
        except SQLAlchemyError:  # of another revision, which its own check says
            return
    for row in rows:
        told = f"{row.given_up} events of the last day were given up for {row.id} ({row.reason.rstrip('.')})"
        yield doubtful("webhooks", f"{told}: `legato webhooks dead-letters {_named(row.id, row.application_id)}`")


def _named(endpoint_id: str, application_id: str) -> str:
    """An endpoint as the commands of ``legato webhooks`` are told which one is meant."""
    return endpoint_id if endpoint_id == application_id else f"{endpoint_id} --app {application_id}"


def check_public_url(settings: Settings) -> Iterator[Finding]:
    """Whether the URL that links are written on leads to this server, while it runs."""
    if settings.public_url is None:
        return
    try:
        client = running_server(settings, None)
    except InUseError:
        return
    if client is None:
        return
    if client.url != settings.origin:
        yield doubtful(
            "public url", f"the server runs with {client.url}, the settings say {settings.origin}: restart it"
        )
        return
    found = _served_at(settings)
    if found == settings.origin:
        yield good("public url", f"{settings.origin} leads to a server that knows itself by it")
    else:
        yield doubtful("public url", f"{settings.origin} {found}; look at the proxy, and at DNS")


def _served_at(settings: Settings) -> str:
    """The URL that whoever answers there calls its own, else what is wrong in words."""
    import ssl

    from legato.cli.client import AnswerError, Client, UnansweredError
    from legato.cli.problems import CommandError

    trust = ssl.create_default_context()
    if settings.tls_certificate is not None:
        trust.load_verify_locations(settings.tls_certificate)
    try:
        document = Client(settings.origin, None, trust, ANSWER_SECONDS).anonymous("GET", "/openapi.json")
        served = str(document["servers"][0]["url"])
    except AnswerError as refused:
        kind = ", a redirect" if 300 <= refused.status < 400 else ""
        return f"answers with {refused.status}{kind}, not as Legato does"
    except UnansweredError as error:
        return f"does not answer from here: {error.reason}"
    except (CommandError, KeyError, IndexError, TypeError):
        return "is answered by something else"
    return served if served == settings.origin else f"leads to a server that calls itself {served}"


@contextmanager
def _reading(settings: Settings) -> Iterator[Connection | None]:
    """A connection that only reads; None when the database does not answer, which another check says.

    A SQLite file is read beside the server that has it, as a backup does.
    """
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import SQLAlchemyError

    if settings.is_sqlite:
        file = Path(settings.database.partition("///")[2].partition("?")[0]).absolute()
        if not file.exists():
            yield None
            return
        engine = create_engine(f"sqlite:///file:{quote(str(file))}?mode=ro&uri=true")
    else:
        url = make_url(settings.database).set(drivername="postgresql+psycopg")
        engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS})
    try:
        connection = engine.connect()
    except SQLAlchemyError:
        yield None
    else:
        with connection:
            yield connection
    finally:
        engine.dispose()


CIRCUMSTANCES: Final[tuple[Check, ...]] = (
    check_files_directory,
    check_secrets,
    check_dangers,
    check_traces,
    check_clock,
    check_endpoints,
    check_dead_letters,
    check_public_url,
)
