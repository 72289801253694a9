"""What the system grants a server, and what the server takes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from legato.testing.server import Server


def test_a_server_takes_as_many_open_files_as_it_may(make_server: Callable[..., Server]) -> None:
    server = make_server(before=("prlimit", "--nofile=256:4096"))
    [line] = [line for line in Path(f"/proc/{server.pid}/limits").read_text().splitlines() if "open files" in line]
    assert line.split()[3:5] == ["4096", "4096"]


def test_a_server_takes_no_more_open_files_than_it_may_need(make_server: Callable[..., Server]) -> None:
    server = make_server(before=("prlimit", "--nofile=256:4096"), settings={"LEGATO_MAX_SOCKETS": "1000"})
    [line] = [line for line in Path(f"/proc/{server.pid}/limits").read_text().splitlines() if "open files" in line]
    assert line.split()[3:5] == ["1256", "4096"]
