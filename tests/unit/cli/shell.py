"""Commands, run as ``legato`` runs them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from legato.cli import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)


@dataclass
class Shell:
    """Runs commands in a directory of its own, with no settings but the test's."""

    directory: Path
    environment: pytest.MonkeyPatch
    captured: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Result:
        """The result of a command, whatever it is."""
        self.captured.readouterr()
        code: Any = 0
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code or 0
        told = self.captured.readouterr()
        return Result(code, told.out, told.err)

    def done(self, *arguments: str) -> Result:
        """The result of a command that has to succeed."""
        result = self(*arguments)
        assert result.code == 0, result.err
        return result

    def refused(self, *arguments: str) -> str:
        """What a command says that has to fail, in a sentence and not in a traceback."""
        result = self(*arguments)
        assert result.code == 1, result
        assert result.err.startswith("legato: ")
        assert result.out == ""
        return result.err

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self.environment.setenv(f"LEGATO_{name.upper()}", value)

    def application(self, name: str = "Shop") -> str:
        """A new application's id."""
        application_id: str = self.done("app", "create", name, "--json").json["id"]
        return application_id
