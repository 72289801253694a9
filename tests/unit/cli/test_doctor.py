"""``legato doctor``: what it finds, and that it changes nothing."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psycopg
import pytest

from legato.testing.ca import Authority
from legato.testing.ports import free_port
from legato.testing.postgres import Cluster

from .shell import Shell


def _found(shell: Shell, about: str) -> list[tuple[str, str]]:
    found = shell("doctor", "--json").json
    return [(each["level"], each["text"]) for each in found if each["about"] == about]


@pytest.fixture(autouse=True)
def _free(shell: Shell) -> None:
    shell.set(port=str(free_port()))


def test_a_fresh_directory_is_well_and_stays_empty(shell: Shell) -> None:
    result = shell.done("doctor")
    assert "will be made" in result.out
    assert list(shell.directory.iterdir()) == []


def test_an_installation_in_use_is_well(shell: Shell) -> None:
    shell.application()
    result = shell.done("doctor", "--json").json
    assert {each["level"] for each in result if each["about"] != "limits"} == {"ok"}
    assert _found(shell, "keys")[0][1].startswith("1 private key")


def test_any_port_is_as_good_as_one(shell: Shell) -> None:
    shell.set(port="0")
    assert _found(shell, "server") == [("ok", "does not run; it will take a port of 127.0.0.1")]


def test_a_slip_in_a_variables_name_is_noticed(shell: Shell) -> None:
    shell.set(prot="1")
    [told] = [text for level, text in _found(shell, "settings") if level == "warning"]
    assert told.startswith("LEGATO_PROT is set and there is no such setting: ")


def test_a_port_that_is_taken_is_an_error(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shell.set(port=str(taken.getsockname()[1]))
        assert _found(shell, "server")[0][0] == "error"


def test_a_directory_that_others_read_is_noticed(shell: Shell) -> None:
    shell.application()
    Path(".legato").chmod(0o755)
    assert any("chmod 700" in text for _level, text in _found(shell, "data directory"))


def test_a_kept_key_that_is_none_is_an_error(shell: Shell) -> None:
    application_id = shell.application()
    (Path(".legato/keys") / f"{application_id}.pem").write_text("none")
    level, text = _found(shell, "keys")[0]
    assert (level, text.endswith(f"`legato app rotate-key {application_id}`")) == ("error", True)


def test_databases_are_told_apart(shell: Shell, empty_database_url: str) -> None:
    shell.set(database_url=empty_database_url)
    if empty_database_url.startswith("postgresql"):
        assert "is empty" in _found(shell, "database")[0][1]
    shell.done("db", "upgrade")
    level, text = _found(shell, "database")[0]
    assert level == "ok"
    assert "at revision" in text


def test_the_servers_that_have_the_database_are_named(shell: Shell, postgres: Cluster) -> None:
    shell.set(database_url=postgres.database())
    shell.done("db", "upgrade")
    address = os.environ["LEGATO_DATABASE_URL"].replace("+psycopg", "")
    with psycopg.connect(address, autocommit=True) as other:
        row = "INSERT INTO nodes VALUES (%s, %s, 0, EXTRACT(EPOCH FROM clock_timestamp()) + %s)"
        other.execute(row, ("1", "first", 60))
        other.execute(row, ("2", "second", -60))
    (first, is_there), (second, is_lost) = _found(shell, "nodes")
    assert (first, is_there) == ("ok", "first is there")
    assert second == "warning"
    assert is_lost.startswith("second does not say any more")


def test_a_database_that_does_not_answer_is_an_error_without_its_password(shell: Shell) -> None:
    shell.set(database_url="postgresql://somebody:hush@127.0.0.1:1/nothing")
    level, text = _found(shell, "database")[0]
    assert level == "error"
    assert "hush" not in text


def test_certificates_are_checked_against_key_name_and_time(shell: Shell, authority: Authority) -> None:
    own, other = authority.issue("chat.example.com", "*.example.org"), authority.issue("localhost")
    shell.set(tls_certificate=str(own.certificate), tls_key=str(own.key), public_url="https://chat.example.com")
    # A throw-away certificate lives a day: that is told, and that alone.
    assert [text.rpartition(" ends on ")[1] for _level, text in _found(shell, "tls")] == [" ends on "]
    assert all("renew it" in text for _level, text in _found(shell, "tls"))
    for host, is_named in (
        ("a.example.org", True),
        ("a.b.example.org", False),
        ("other.com", False),
        ("10.0.0.1", False),
    ):
        shell.set(public_url=f"https://{host}")
        assert any("does not name" in text for _level, text in _found(shell, "tls")) is not is_named
    shell.set(tls_key=str(other.key))
    assert _found(shell, "tls")[0][0] == "error"


def test_tokens_in_the_clear_are_noticed(shell: Shell) -> None:
    shell.set(public_url="http://chat.example.com")
    assert "in the clear: set tls_certificate" in _found(shell, "tls")[0][1]
    os.environ.pop("LEGATO_PUBLIC_URL")
    assert _found(shell, "tls") == []
