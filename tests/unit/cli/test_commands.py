"""The command line as a whole: help, documents, and how it fails."""

from __future__ import annotations

import importlib
import pkgutil
import socket
import subprocess
import sys

import pytest

import legato.api
from legato import __version__
from legato.api.contract import routes_of
from legato.cli.spec import rooms
from legato.events import CATALOGUE

from .shell import Shell

COMMANDS = ["dev", "serve", "token", "tail", "doctor", "app", "user", "account", "db", "spec"]


def test_help_names_every_command_and_loads_none_of_what_they_need() -> None:
    script = (
        "import sys; from legato.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'sqlalchemy', 'cryptography', 'pydantic', 'uvicorn', 'jwt'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.rstrip().endswith("[]")
    assert all(f" {command} " in ran.stdout for command in COMMANDS)


def test_every_command_has_help(shell: Shell) -> None:
    for command in COMMANDS:
        assert "Usage: legato" in shell.done(command, "--help").out


def test_it_runs_as_a_module_and_tells_its_version() -> None:
    ran = subprocess.run([sys.executable, "-m", "legato", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout == f"legato {__version__}\n"


def test_openapi_has_every_room_that_there_is() -> None:
    found = set()
    for module in pkgutil.iter_modules(legato.api.__path__, "legato.api."):
        for member in vars(importlib.import_module(module.name)).values():
            if isinstance(member, type) and member.__module__ == module.name and routes_of(member):
                found.add(member)
    assert set(rooms()) == found


def test_the_documents_are_written_to_the_terminal_or_to_a_file(shell: Shell) -> None:
    openapi = shell.done("spec", "openapi", "--server-url", "https://chat.example.com").json
    assert openapi["openapi"].startswith("3.1")
    assert openapi["servers"][0]["url"] == "https://chat.example.com"
    assert "/v2/applications" in openapi["paths"]
    assert shell.done("spec", "asyncapi").json["asyncapi"].startswith("3.")
    path = shell.directory / "schema.json"
    shell.done("spec", "schema", "-o", str(path))
    written = path.read_text()
    assert all(entry.name.removesuffix("*") in written for entry in CATALOGUE)


def test_settings_that_are_wrong_are_told_by_name(shell: Shell) -> None:
    shell.set(port="hush")
    for command in (("app", "list"), ("token",), ("doctor",), ("serve",), ("db", "upgrade"), ("tail", "CON-1")):
        said = shell.refused(*command)
        assert "port" in said
        assert "hush" not in said


def test_a_server_without_its_certificate_does_not_start(shell: Shell) -> None:
    shell.set(tls_certificate="nothing.pem", tls_key="nothing.key")
    assert "nothing.pem" in shell.refused("serve")


@pytest.mark.parametrize("command", [("serve",), ("dev", "--memory")])
def test_a_port_that_is_taken_is_told_in_a_sentence(shell: Shell, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = subprocess.run(
            [sys.executable, "-m", "legato", *command, "--port", port], capture_output=True, text=True, check=False
        )
    assert ran.returncode == 1
    assert "Address already in use" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_server_that_is_named_needs_an_account(shell: Shell) -> None:
    assert "LEGATO_API_KEY" in shell.refused("app", "list", "--server", "http://127.0.0.1:1")
    shell.set(api_key="abcd1234", api_secret="hush-Hush-1")
    said = shell.refused("app", "list", "--server", "http://127.0.0.1:1")
    assert "no answer from http://127.0.0.1:1" in said
    assert "hush" not in said
    assert "must begin with http" in shell.refused("app", "list", "--server", "file:///etc/passwd")


def test_tail_needs_a_server(shell: Shell) -> None:
    assert "no server runs" in shell.refused("tail", "CON-1")
