"""A running server, as whoever runs it sees it: health, metrics, logs."""

from __future__ import annotations

import gc
import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from legato.config import load
from legato.testing.server import API_KEY, API_SECRET, Application, Server
from legato.testing.session import Session
from legato.testing.waiting import PATIENCE_SECONDS, ConditionError, poll

PAGE: Final = (Path(__file__).parents[2] / "docs/operating.md").read_text()
TOKEN: Final = "scrape-me-if-you-can"


class Metrics:
    """What ``/metrics`` said."""

    def __init__(self, text: str) -> None:
        self.help = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
        self.type = dict(re.findall(r"^# TYPE (\S+) (.+)$", text, re.MULTILINE))
        self.samples: dict[str, float] = {}
        self.labels: dict[str, set[str]] = {name: set() for name in self.type}
        for name, labels, value in re.findall(r"^([a-z_]+)(\{.*\})? (\S+)$", text, re.MULTILINE):
            self.samples[name + labels] = float(value)
            family = name if name in self.type else re.sub("_(bucket|sum|count)$", "", name)
            self.labels[family] |= set(re.findall(r"([a-z_]+)=", labels)) - {"le"}

    def __getitem__(self, sample: str) -> float:
        return self.samples[sample]


def ask(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str], str]:
    """Status, header fields in lower case, and text of a GET."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(server.url + path, headers=fields)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as reply:
            return reply.status, {name.lower(): value for name, value in reply.headers.items()}, reply.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            found = {name.lower(): value for name, value in refused.headers.items()}
            return refused.code, found, refused.read().decode()


def metrics(server: Server, **headers: str) -> Metrics:
    status, _fields, text = ask(server, "/metrics", **headers)
    assert status == 200, text
    return Metrics(text)


def documented() -> dict[str, tuple[str, set[str], str]]:
    """The page's table: type, labels and sentence of each metric."""
    rows = re.findall(r"^\| `((?:legato|process)_\w+)` \| (\w+) \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels)), told) for name, kind, labels, told in rows}


class TestHealth:
    def test_a_server_that_serves_is_alive_and_ready(self, server: Server) -> None:
        for path, status in (("/health/live", "live"), ("/health/ready", "ready")):
            answer = ask(server, path)
            assert answer[0] == 200
            assert answer[1]["cache-control"] == "no-store"
            assert msgspec.json.decode(answer[2]) == {"status": status}

    def test_a_server_whose_database_is_gone_is_alive_and_not_ready(self, make_server: Callable[..., Server]) -> None:
        server = make_server()
        with sqlite3.connect(server.directory / "legato.db", timeout=PATIENCE_SECONDS) as database:
            database.execute("ALTER TABLE heads RENAME TO headless")
        assert ask(server, "/health/live")[0] == 200
        status, _fields, text = ask(server, "/health/ready")
        assert status == 503
        assert msgspec.json.decode(text) == {
            "status": "not ready",
            "not_ready": {"database": "cannot be read (OperationalError)"},
        }

    @pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
    def test_nothing_is_written_there(self, server: Server, path: str) -> None:
        answer = server.request("POST", path, {})
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")

    async def test_a_server_that_begins_to_stop_is_not_ready(self, tmp_path: Path) -> None:
        from legato.app import Application as Serving

        serving = await Serving.open(load(data_dir=tmp_path))
        assert await _answer(serving, "/health/ready") == (200, {"status": "ready"})
        serving.begin_to_stop()
        stopping = {"status": "not ready", "not_ready": {"server": "is stopping"}}
        assert await _answer(serving, "/health/ready") == (503, stopping)
        assert await _answer(serving, "/health/live") == (200, {"status": "live"})
        await serving.close()
        gc.unfreeze()  # the server's, which the test does not end with


async def _answer(serving: Any, path: str) -> tuple[int, Any]:
    """An answer of the application without a server around it."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await serving({"type": "http", "method": "GET", "path": path, "headers": []}, receive, send)
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


class TestMetrics:
    def test_the_page_lists_what_the_server_tells(self, server: Server) -> None:
        told = metrics(server)
        assert documented() == {name: (told.type[name], told.labels[name], told.help[name]) for name in told.type}

    def test_they_count_what_happened(self, make_server: Callable[..., Server]) -> None:
        server = make_server(settings={"LEGATO_USER_RATE": "0.001", "LEGATO_USER_BURST": "3"})
        application = _people(server)
        path = _conversation(server, application)
        before = metrics(server)
        for _ in range(3):
            assert _say(server, path, application.token("alice"), "hello").status == 201
        assert _say(server, path, application.token("bob"), "not a member").status >= 400
        assert _say(server, path, application.token("alice"), "too much").status == 429
        after = metrics(server)
        grown = {
            "legato_events_appended_total": 3,
            "legato_commands_refused_total": 1,
            'legato_rate_limited_total{limit="user"}': 1,
            'legato_rest_requests_total{generation="v1",status="2xx"}': 3,
            'legato_rest_requests_total{generation="v1",status="4xx"}': 2,
            'legato_rest_request_seconds_count{generation="v1"}': 5,
        }
        assert {name: after[name] - before[name] for name in grown} == grown
        assert after["legato_batches_committed_total"] == after["legato_commit_seconds_count"]
        assert after['legato_commit_seconds_bucket{le="+Inf"}'] == after["legato_commit_seconds_count"]
        assert after["legato_database_bytes"] > 0

    def test_they_count_endpoints_by_how_they_fare(self, make_server: Callable[..., Server]) -> None:
        server = make_server()
        ids = [
            server.application(rtc={"webhooks": {"event_url": {"address": "https://hook.example/"}}}).id
            for _ in range(4)
        ]
        with sqlite3.connect(server.directory / "legato.db", timeout=PATIENCE_SECONDS) as database:
            for id_, change in zip(
                ids, ("failing_since = 1", "state = 'paused'", "state = 'disabled', failing_since = 1"), strict=False
            ):
                database.execute(f"UPDATE endpoints SET {change} WHERE id = '{id_}'")
        told = metrics(server)
        states = ("active", "failing", "paused", "disabled")
        assert [told[f'legato_webhook_endpoints{{state="{state}"}}'] for state in states] == [1, 1, 1, 1]

    def test_they_count_events_that_wait_for_webhooks(self, make_server: Callable[..., Server]) -> None:
        server = make_server()
        rtc = {"webhooks": {"event_url": {"address": "https://hook.example/"}}}
        paused, disabled = (server.application(rtc=rtc) for _ in range(2))
        assert server.request("POST", f"/v1/webhooks/{paused.id}/pause", token=paused.token()).status == 200
        with sqlite3.connect(server.directory / "legato.db", timeout=PATIENCE_SECONDS) as database:
            database.execute(f"UPDATE endpoints SET state = 'disabled' WHERE id = '{disabled.id}'")
        for application in (paused, disabled):
            server.request("POST", "/v1/conversations", {}, token=application.token())
        assert metrics(server)["legato_webhook_events_waiting"] == 1  # conversation:created

    async def test_they_count_who_comes_and_goes(self, make_server: Callable[..., Server]) -> None:
        server = make_server()
        application = _people(server)
        path = _conversation(server, application)
        session = await Session(server.url, application.token("alice")).login()
        _say(server, path, application.token("alice"), "before")
        await session.hears("text")
        here = metrics(server)
        assert (here["legato_sessions_connected"], here["legato_sockets_open"]) == (1, 1)
        await session.drop()
        poll(lambda: metrics(server)["legato_sessions_connected"] == 0, PATIENCE_SECONDS, "the session is away")
        _say(server, path, application.token("alice"), "missed")
        await session.login()
        await session.close()
        server.stop()
        server.restart()
        await session.login()
        stranger = Session(server.url, application.token("nobody"))
        with pytest.raises(ConditionError, match="refused"):
            await stranger.login()
        after = metrics(server)
        assert here['legato_logins_total{outcome="admitted"}'] == 1
        assert after['legato_logins_total{outcome="admitted"}'] == 1
        assert after['legato_logins_total{outcome="refused"}'] == 1
        assert after['legato_resumes_total{source="memory"}'] + after['legato_resumes_total{source="log"}'] == 1
        await session.close()
        await stranger.close()

    def test_they_are_told_to_this_machine_only(self, server: Server) -> None:
        status, fields, text = ask(server, "/metrics", x_forwarded_for="192.0.2.1")
        assert status == 403
        assert "metrics_token" in text
        assert "LEGATO_METRICS_TOKEN" in text
        assert fields["content-type"].startswith("text/plain")

    def test_with_a_token_they_are_told_to_whoever_has_it(self, make_server: Callable[..., Server]) -> None:
        server = make_server(settings={"LEGATO_METRICS_TOKEN": TOKEN})
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            status, fields, text = ask(server, "/metrics", **headers)
            assert (status, fields["www-authenticate"]) == (401, "Bearer")
            assert TOKEN not in text
        assert metrics(server, authorization=f"Bearer {TOKEN}", x_forwarded_for="192.0.2.1").samples


def _people(server: Server) -> Application:
    """An application with alice and bob."""
    application = server.application()
    for name in ("alice", "bob"):
        server.user(application, name)
    return application


def _conversation(server: Server, application: Application) -> str:
    """A conversation that alice has joined."""
    made = server.request("POST", "/v1/conversations", {"name": "quartet"}, token=application.token())
    path = f"/v1/conversations/{made.body['id']}"
    joining = {"state": "joined", "user": {"name": "alice"}, "channel": {"type": "app"}}
    joined = server.request("POST", f"{path}/members", joining, token=application.token())
    assert joined.status == 201, joined
    return path


def _say(server: Server, path: str, token: str, text: str) -> Any:
    return server.request("POST", f"{path}/events", {"type": "text", "body": {"text": text}}, token=token)


class TestLogs:
    def test_a_start_says_that_a_schema_was_changed_and_else_nothing_of_it(
        self, make_server: Callable[..., Server]
    ) -> None:
        server = make_server()
        server.stop()

        def said() -> list[str]:
            lines = [msgspec.json.decode(line) for line in server.log.read_text().splitlines()]
            return [line["event"] for line in lines if line["logger"].startswith("alembic")]

        first = said()
        assert [each.partition(" ")[0] for each in first] == ["Running"] * len(first)
        assert first
        server.restart()
        server.stop()
        assert said() == first

    def test_people_get_text_when_that_is_set(self, make_server: Callable[..., Server]) -> None:
        server = make_server(settings={"LEGATO_LOG_FORMAT": "text"})
        server.stop()
        assert "[info     ] Legato" in server.log.read_text()

    async def test_nothing_secret_is_logged_at_any_level(self, make_server: Callable[..., Server]) -> None:
        server = make_server(settings={"LEGATO_LOG_LEVEL": "debug", "LEGATO_METRICS_TOKEN": TOKEN})
        application = _people(server)
        path = _conversation(server, application)
        tokens = [application.token("alice"), application.token("nobody"), application.token("alice", ttl=-60)]
        texts = ["between the two of us", "what nobody was to read"]
        session = await Session(server.url, tokens[0]).login()
        assert _say(server, path, tokens[0], texts[0]).status == 201
        await session.hears("text")
        for token in tokens[1:]:
            stranger = Session(server.url, token)
            with pytest.raises(ConditionError):
                await stranger.login()
            await stranger.close()
            assert _say(server, path, token, texts[1]).status == 401
        assert (
            server.request("POST", f"{path}/events", {"type": texts[1], "body": texts[1]}, token=tokens[0]).status
            >= 400
        )
        assert server.request("GET", "/v2/account", basic=True).status == 200
        ask(server, f"/v1/users?token={tokens[0]}", authorization="Bearer " + tokens[0][:-8])
        ask(server, "/metrics", authorization=f"Bearer {TOKEN}")
        await session.close()
        with sqlite3.connect(server.directory / "legato.db", timeout=PATIENCE_SECONDS) as database:
            database.execute("ALTER TABLE events RENAME TO lost")
        failed = _say(server, path, tokens[0], texts[1])
        assert failed.status == 500
        server.stop()
        written = server.log.read_text()
        lines = [msgspec.json.decode(line) for line in written.splitlines()]
        assert {"debug", "info", "error"} <= {line["level"] for line in lines}
        assert any("Legato" in line["event"] and "answers at" in line["event"] for line in lines)
        assert all(list(line)[:4] == ["time", "level", "logger", "event"] for line in lines)
        signatures = [token.rpartition(".")[2] for token in tokens]
        secrets = [API_SECRET, TOKEN, application.private_key[40:80], *texts, *tokens, *signatures]
        assert [secret for secret in secrets if secret in written] == []
        assert API_KEY not in written

    def test_what_fails_is_found_by_the_id_of_its_request(self, make_server: Callable[..., Server]) -> None:
        server = make_server()
        application = _people(server)
        with sqlite3.connect(server.directory / "legato.db", timeout=PATIENCE_SECONDS) as database:
            database.execute("ALTER TABLE conversations RENAME TO lost")
        asked = {"authorization": f"Bearer {application.token()}"}
        ours = ask(server, "/v1/conversations", x_request_id="req-7", **asked)
        made = ask(server, "/v1/conversations", **asked)
        old = ask(server, "/beta/conversations", x_request_id="req-8", **asked)
        assert [ours[0], made[0], old[0]] == [500, 500, 500]
        assert ours[1]["x-request-id"] == msgspec.json.decode(ours[2])["instance"] == "req-7"
        assert made[1]["x-request-id"] == msgspec.json.decode(made[2])["instance"]
        assert old[1]["x-request-id"] == "req-8"
        server.stop()
        lines = [msgspec.json.decode(line) for line in server.log.read_text().splitlines()]
        ids = [line["request_id"] for line in lines if "request_id" in line]
        assert ids == ["req-7", made[1]["x-request-id"], "req-8"]
