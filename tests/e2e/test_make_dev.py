"""`make dev` and the tutorial, on a copy of the repository that nothing was prepared in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from legato.testing.ports import free_port
from legato.testing.waiting import poll

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/start.md"
STEP_SECONDS = 60.0
INSTALL_SECONDS = 300.0  # a virtual environment, and some thirty packages over the network


def copy_of_the_repository(to: Path) -> Path:
    """What a clone would hold once all of this is committed: every file that git does not ignore, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


@dataclass(frozen=True)
class Clone:
    """The copy, in which ``make dev`` runs."""

    directory: Path
    port: int

    def typed(self, text: str, receiver_port: int) -> str:
        """What is typed here, where other ports are free than those of the page."""
        return text.replace("127.0.0.1:8770", f"127.0.0.1:{self.port}").replace("3000", str(receiver_port))


def inherited() -> dict[str, str]:
    """The environment of somebody who has just cloned it."""
    ours = ("LEGATO_", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """What the first terminal of the tutorial shows: installed, and serving its page."""
    directory = copy_of_the_repository(tmp_path_factory.mktemp("clone"))
    (command,) = blocks("run in a terminal of its own")
    port = free_port()
    log = directory / "make.log"
    with log.open("wb") as out:
        make = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=directory,
            # What the server does not import need not be compiled: it is most of what there is.
            env={**inherited(), "LEGATO_PORT": str(port), "PIP_NO_COMPILE": "1"},
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:

        def serves_the_page() -> bool:
            assert make.poll() is None, log.read_text(errors="replace")[-4000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                    return answer.status == 200 and b"<html" in answer.read()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        poll(serves_the_page, INSTALL_SECONDS, "make dev serves the page")
        yield Clone(directory, port)
    finally:
        os.killpg(make.pid, signal.SIGTERM)
        make.wait()


def blocks(directive: str) -> list[str]:
    """The tutorial's blocks that a comment before them says this of."""
    return re.findall(rf"<!-- {directive} -->\n```\w+\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)


def test_make_dev_runs_what_it_installed_and_keeps_its_files_there(clone: Clone) -> None:
    assert (clone.directory / ".venv" / "bin" / "legato").exists()
    assert (clone.directory / ".legato" / "legato.db").exists()


class Terminal:
    """A shell in which one thing is typed after the other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "terminal.log"
        with self._log.open("wb") as out:
            self._shell = subprocess.Popen(
                ["bash", "-euo", "pipefail"],
                cwd=directory,
                env=inherited(),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._typed_at = 0

    @property
    def screen(self) -> str:
        """All that it has shown."""
        return self._log.read_text(errors="replace")

    def type(self, text: str) -> None:
        """Type this and wait for the prompt."""
        assert self._shell.stdin is not None
        self._typed_at = len(self.screen)
        prompt = self._directory / "prompt"
        self._shell.stdin.write(f"{text}\n: > {prompt.name}\n".encode())
        self._shell.stdin.flush()
        self._until(prompt.exists, text)
        prompt.unlink()

    def shows(self, line: str) -> None:
        """Wait until it has shown this since something was typed."""
        self._until(lambda: line in self.screen[self._typed_at :], line)

    def close(self) -> None:
        """End it and what was started from it."""
        assert self._shell.stdin is not None
        os.killpg(self._shell.pid, signal.SIGTERM)
        self._shell.stdin.close()
        self._shell.wait()

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        def holds() -> bool:
            assert self._shell.poll() is None, self.screen[-4000:]
            return condition()

        poll(holds, STEP_SECONDS, what)


def test_the_tutorial_leads_to_a_verified_webhook(clone: Clone) -> None:
    text = clone.typed(TUTORIAL.read_text(encoding="utf-8"), free_port())
    steps = re.findall(r"<!-- (run|prints|file) ?(\S*) -->\n```\w+\n(.*?)```", text, re.DOTALL)
    assert {kind for kind, _name, _block in steps} == {"run", "prints", "file"}
    terminal = Terminal(clone.directory)
    try:
        for kind, name, block in steps:
            if kind == "file":
                (clone.directory / name).write_text(block)
            elif kind == "run":
                terminal.type(block)
            else:
                for line in block.splitlines():
                    terminal.shows(line)
    finally:
        terminal.close()
