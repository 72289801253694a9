"""Commands while a server runs: everything goes through it."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from legato.auth import mint
from legato.cli.client import Client
from legato.config import load
from legato.testing.ca import Authority
from legato.testing.ports import free_port
from legato.testing.receiver import Receiver
from legato.testing.server import API_KEY, API_SECRET, Server

from .shell import Shell


def _beside(shell: Shell, server: Server) -> Shell:
    """The shell on that server's database, with a data directory of its own."""
    shell.set(database_url=server.database_url)
    return shell


@pytest.fixture
def beside(shell: Shell, server: Server) -> Shell:
    return _beside(shell, server)


def _as_application(application_id: str) -> tuple[Client, str]:
    """The server, and a token of the application whose key is kept here."""
    installation = load().installation
    announcement, key = installation.server(), installation.key(application_id)
    assert announcement is not None
    assert key is not None
    return Client.announced(announcement), mint(key, application_id)


def _listed(shell: Shell) -> list[str]:
    return [each["id"] for each in shell.done("app", "list", "--json").json]


def test_commands_find_the_server_of_their_directory_and_need_no_credentials(beside: Shell) -> None:
    application_id = beside.application()
    assert application_id in _listed(beside)
    user_id = beside.done("user", "create", "alice", "--display-name", "Alice", "--json").json["id"]
    assert beside.done("user", "list", "--json").json == [{"id": user_id, "name": "alice", "display_name": "Alice"}]
    assert "choose another" in beside.refused("user", "create", "alice")
    assert beside.done("account", "show", "--json").json["api_key"] == API_KEY
    beside.done("app", "rotate-key", application_id)
    assert len(beside.done("user", "list", "--json").json) == 1
    beside.done("app", "delete", application_id, "--yes")
    assert application_id not in _listed(beside)
    assert "does not exist" in beside.refused("app", "delete", application_id, "--yes")


def test_a_rotated_secret_is_the_servers_from_then_on(shell: Shell, make_server: Callable[..., Server]) -> None:
    beside = _beside(shell, make_server())
    made = beside.done("account", "rotate-secret", "--overlap-hours", "0").out.strip()
    beside.done("app", "list")
    url = beside.done("doctor", "--json").json
    assert all(each["level"] != "error" for each in url)
    where = next(each["text"] for each in url if each["about"] == "server").removeprefix("answers at ")
    beside.set(api_key=API_KEY, api_secret=API_SECRET)
    assert "credentials" in beside.refused("app", "list", "--server", where)
    beside.set(api_secret=made)
    beside.done("app", "list", "--server", where)
    shown = beside.done("account", "show")
    assert made not in shown.out
    assert "rotate-secret" in shown.err


def test_long_lists_come_whole(beside: Shell) -> None:
    application_id = beside.application()
    names = [f"user {number:03}" for number in range(105)]
    client, token = _as_application(application_id)
    for name in names:
        client.as_bearer(token, "POST", "/v1/users", {"name": name})
    assert [each["name"] for each in beside.done("user", "list", "--json").json] == names


def test_a_server_with_tls_is_trusted_by_its_certificate(
    shell: Shell, make_server: Callable[..., Server], authority: Authority
) -> None:
    beside = _beside(shell, make_server(authority=authority))
    beside.application()
    assert len(beside.done("app", "list", "--json").json) == 1


def test_tail_shows_what_was_said_and_goes_on(beside: Shell) -> None:
    application_id = beside.application()
    beside.done("user", "create", "alice")
    client, token = _as_application(application_id)
    conversation = client.as_bearer(token, "POST", "/v1/conversations", {})["id"]
    member = client.as_bearer(
        token,
        "POST",
        f"/v1/conversations/{conversation}/members",
        {"user": {"name": "alice"}, "state": "joined", "channel": {"type": "app"}},
    )["id"]

    def say(text: str) -> None:
        body = {"type": "text", "from": member, "body": {"text": text}}
        client.as_bearer(token, "POST", f"/v1/conversations/{conversation}/events", body)

    say("first\x1b[31m")
    shown = beside.done("tail", conversation, "--no-follow").out.splitlines()
    assert [line.split()[2] for line in shown] == ["member:joined", "text"]
    assert shown[-1].split()[3:] == ["alice", "first�[31m"]
    assert beside.done("tail", conversation, "--no-follow", "-n", "0").out == ""
    with subprocess.Popen(
        [sys.executable, "-m", "legato", "tail", conversation, "-n", "1", "--json"], stdout=subprocess.PIPE, text=True
    ) as following:
        assert following.stdout is not None
        assert "first" in following.stdout.readline()
        say("second")
        assert "second" in following.stdout.readline()
        following.send_signal(signal.SIGINT)
        assert following.wait() == 130
    assert "does not exist" in beside.refused("tail", "CON-" + application_id, "--no-follow")


def test_a_server_in_memory_leaves_nothing_behind(shell: Shell) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "legato", "dev", "--memory", "--port", str(free_port())],
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        told = next(line for line in running.stderr if line.strip().startswith("data "))
        place = Path(told.split()[1])
        assert (place / "legato.db").exists()
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 0
    assert not place.exists()
    assert list(shell.directory.iterdir()) == []


def test_a_server_on_any_port_says_and_writes_which(shell: Shell) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "legato", "dev", "--memory", "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        told = next(line for line in running.stderr if "answers at" in line)
        url = told.split()[-1]
        with urllib.request.urlopen(f"{url}/v0.3/discovery/api", timeout=30) as answer:
            place = msgspec.json.decode(answer.read())["local"]
        assert (place["endpoint"], place["ws"]) == (url, url)
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 0


def test_the_key_of_another_machine_is_asked_for(beside: Shell) -> None:
    application_id = beside.application()
    path = beside.directory / "moved.pem"
    (beside.directory / ".legato" / "keys" / f"{application_id}.pem").rename(path)
    said = beside.refused("user", "list", "--app", application_id)
    assert "--key" in said
    assert "rotate-key" in said
    assert beside.done("user", "list", "--app", application_id, "--key", str(path), "--json").json == []


def test_a_server_that_sends_commands_elsewhere_is_named_and_nobody_else_is_shown_credentials(shell: Shell) -> None:
    shell.set(api_key=API_KEY, api_secret=API_SECRET)
    with Receiver() as receiver:
        receiver.behave("302", location=f"{receiver.url}/elsewhere")
        said = shell.refused("app", "list", "--server", receiver.url)
        assert f"answered 302, a redirect to {receiver.url}/elsewhere, and redirects are not followed" in said
        (asked,) = receiver.requests()
    assert asked.headers["authorization"].startswith("Basic ")
