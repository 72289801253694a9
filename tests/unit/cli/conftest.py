"""A shell in an empty directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from legato import installation

from .shell import Shell


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
