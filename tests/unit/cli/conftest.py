"""A shell in an empty directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from legato import installation
from legato.testing.receiver import Receiver
from legato.testing.server import Server

from .shell import Shell
from .webhook_scene import SOON


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    for name in list(os.environ):
        if name.startswith("LEGATO_"):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr(installation, "WAIT_SECONDS", 0.1)
    return Shell(home, monkeypatch, capsys)


@pytest.fixture(scope="session")
def posting_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that posts to this machine and retries soon: for tests that do not stop it."""
    with Server(tmp_path_factory.mktemp("posting"), settings=SOON) as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    with Receiver() as running:
        yield running
