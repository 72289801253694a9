"""``legato doctor``: what lies around the server, and what to do about it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import create_engine

from legato.cli import checks
from legato.store.attempts import DeadLetter, keep_dead_letters
from legato.testing.postgres import Cluster
from legato.testing.server import Server

from .shell import Shell
from .test_doctor import _found


def doctor(server: Server, **settings: str) -> list[tuple[str, str, str]]:
    """What it says of a running server, beside it."""
    changed = {f"LEGATO_{name.upper()}": value for name, value in settings.items()}
    environment = {**server.environment, **changed}
    command = [sys.executable, "-m", "legato", "doctor", "--json"]
    ran = subprocess.run(command, cwd=server.directory, env=environment, capture_output=True, text=True, check=False)
    return [(each["level"], each["about"], each["text"]) for each in msgspec.json.decode(ran.stdout)]


def about(found: list[tuple[str, str, str]], what: str) -> list[tuple[str, str]]:
    return [(level, text) for level, name, text in found if name == what]


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., str]]:
    """Something that answers everything in one way; its URL."""
    running: list[ThreadingHTTPServer] = []

    def start(status: int, body: bytes, location: str | None = None) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if location is not None:
                    self.send_header("location", location)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        running.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}"

    yield start
    for one in running:
        one.shutdown()
        one.server_close()


def test_little_room_is_noticed_and_none_is_an_error(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.application()
    monkeypatch.setattr(checks, "LITTLE_SPACE", 2**62)
    level, text = _found(shell, "data directory")[-1]
    assert (level, "make room" in text) == ("warning", True)
    monkeypatch.setattr(checks, "NO_SPACE", 2**62)
    assert _found(shell, "data directory")[-1][0] == "error"


def test_files_that_cannot_be_kept_are_an_error(shell: Shell) -> None:
    shell.application()
    Path(".legato/files").write_text("in the way")
    level, text = _found(shell, "files")[0]
    assert (level, "move it away" in text) == ("error", True)


def test_keys_that_others_read_are_noticed(shell: Shell) -> None:
    application_id = shell.application()
    assert _found(shell, "secrets") == []
    Path(".legato/keys").chmod(0o755)
    key = Path(f".legato/keys/{application_id}.pem")
    key.chmod(0o644)
    assert _found(shell, "secrets") == [("warning", f"{key} can be read by others: chmod 600 {key}")]


def test_a_database_that_others_read_is_noticed(shell: Shell) -> None:
    Path("open").mkdir(mode=0o755)
    shell.set(database_url="sqlite:///open/legato.db")
    shell.application()
    Path("open/legato.db").chmod(0o644)
    assert "chmod 600 open/legato.db" in _found(shell, "secrets")[0][1]


def test_dangerous_settings_are_noticed(shell: Shell) -> None:
    assert [level for level, _ in _found(shell, "settings")] == ["ok"]
    shell.set(dangerous_allow_private_addresses="true", trusted_proxies="*", address_rate="0")
    told = [text for level, text in _found(shell, "settings") if level == "warning"]
    assert [re.split("[ =]", text)[0] for text in told] == [
        "dangerous_allow_private_addresses",
        "trusted_proxies",
        "address_rate",
    ]


def test_traces_that_will_not_be_sent_are_noticed(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _found(shell, "traces") == []
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    assert _found(shell, "traces") == [("ok", "are sent")]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    assert _found(shell, "traces")[0][0] == "warning"


@pytest.mark.parametrize(("seconds", "told"), [(90, "90 s behind"), (-90, "90 s ahead of"), (0, "agrees")])
def test_a_clock_that_differs_from_the_databases_is_noticed(
    shell: Shell, postgres: Cluster, seconds: int, told: str
) -> None:
    url = postgres.database()
    name = url.rpartition("/")[2]
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS"
            f" $$ SELECT pg_catalog.clock_timestamp() + interval '{seconds} s' $$".encode()
        )
        connection.execute(f'ALTER DATABASE "{name}" SET search_path = public, pg_catalog'.encode())
    shell.set(database_url=url)
    ((level, text),) = _found(shell, "clock")
    assert told in text
    assert level == ("warning" if seconds else "ok")


def test_endpoints_in_trouble_are_named_with_what_to_do(shell: Shell, new_database_url: Callable[[], str]) -> None:
    url = new_database_url()
    shell.set(database_url=url)
    events = "https://hooks.example/events?key=hush"
    ids = [shell.done("app", "create", name, "--event-url", events, "--json").json["id"] for name in ("a", "b", "c")]
    assert _found(shell, "webhooks") == []
    engine = create_engine(url)
    with engine.begin() as connection:
        for id_, change in zip(ids, ("state = 'disabled', why = '410 Gone'", "failing_since = 1"), strict=False):
            connection.exec_driver_sql(f"UPDATE endpoints SET {change} WHERE id = '{id_}'")
    engine.dispose()
    found = _found(shell, "webhooks")
    assert {level for level, _ in found} == {"warning"}
    told = {text.split()[0]: text for _, text in found}
    assert set(told) == set(ids[:2])
    assert told[ids[0]].endswith(f"at hooks.example is disabled (410 Gone): `legato webhooks resume {ids[0]}`")
    assert "has taken nothing for" in told[ids[1]]
    assert told[ids[1]].endswith(f": `legato webhooks attempts {ids[1]}`")
    assert "hush" not in str(found)


def test_what_was_given_up_lately_is_told_with_its_reason(shell: Shell, new_database_url: Callable[[], str]) -> None:
    url = new_database_url()
    shell.set(database_url=url)
    id_ = shell.done("app", "create", "a", "--event-url", "https://hooks.example/events", "--json").json["id"]
    now = time.time()
    engine = create_engine(url)
    with engine.begin() as connection:
        letters = [
            DeadLetter(endpoint_id=id_, webhook_id="x", stream="x", event_type="text", attempts=1, **told)  # type: ignore[arg-type]
            for told in (
                {"at": now - 3 * 86_400, "reason": "long ago"},
                {"at": now, "reason": "sent again", "replayed_at": now},
                {"at": now, "reason": "answered 500"},
                {"at": now, "reason": "127.0.0.1 is a loopback address."},
            )
        ]
        keep_dead_letters(connection, letters)
    engine.dispose()
    told = f"2 events of the last day were given up for {id_} (127.0.0.1 is a loopback address)"
    assert _found(shell, "webhooks") == [("warning", f"{told}: `legato webhooks dead-letters {id_}`")]


def test_a_public_url_that_leads_elsewhere_is_noticed(
    make_server: Callable[..., Server], elsewhere: Callable[..., str]
) -> None:
    server = make_server()
    found = doctor(server)
    assert about(found, "public url")[0][0] == "ok"
    assert {level for level, _, _ in found} <= {"ok", "warning"}
    assert "restart it" in about(doctor(server, public_url="https://chat.example.com"), "public url")[0][1]
    other = msgspec.json.encode({"servers": [{"url": "https://other.example.com"}]})
    for answer, told in (
        ((404, b""), "answers with 404, not as Legato does"),
        ((200, b"hello"), "is answered by something else"),
        ((200, other), "calls itself https://other.example.com"),
    ):
        url = elsewhere(*answer)
        pretends = make_server(settings={"LEGATO_PUBLIC_URL": url})
        level, text = about(doctor(pretends), "public url")[0]
        assert (level, told in text) == ("warning", True), text
        pretends.stop()
    own = elsewhere(200, other)
    moved = elsewhere(301, b"", f"{own}/openapi.json")
    redirected = make_server(settings={"LEGATO_PUBLIC_URL": moved})
    assert "answers with 301, a redirect, not as Legato does" in about(doctor(redirected), "public url")[0][1]
    redirected.stop()
    away = make_server(settings={"LEGATO_PUBLIC_URL": "http://127.0.0.1:1"})
    assert "does not answer from here" in about(doctor(away), "public url")[0][1]
