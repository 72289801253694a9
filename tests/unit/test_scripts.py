"""The scripts that prepare a machine: as root on Debian they install what is missing, elsewhere they say it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@dataclass
class Machine:
    """The commands that a script finds, and nothing else; ``apt-get`` writes down what it is asked for."""

    commands: Path

    def has(self, *names: str) -> None:
        """Commands as they are on this machine."""
        for name in names:
            (self.commands / name).symlink_to(shutil.which(name) or name)

    def write(self, name: str, script: str) -> None:
        """A command of the test's own."""
        path = self.commands / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def run(self, script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """What came of a script."""
        command = [SCRIPTS / script, *map(str, arguments)]
        variables = {"PATH": str(self.commands), **environment}
        return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)

    @property
    def installed(self) -> list[str]:
        """The packages that were asked for."""
        asked = self.commands / "asked"
        return asked.read_text().split() if asked.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine without Python's venv module, and without anything that tests talk to."""
    commands = tmp_path / "bin"
    commands.mkdir()
    machine = Machine(commands)
    machine.has("dirname", "ls", "mkdir")
    machine.write("apt-get", f'[ "$1" = update ] || echo "$@" >> {commands}/asked')
    machine.write(
        "python3",
        f"""case "$1 $2" in
"-c import ensurepip") [ -e {commands}/asked ] ;;
"-m venv") mkdir "$3" ;;
*) exec {sys.executable} "$@" ;;
esac""",
    )
    return machine


VENV = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"


def test_root_gets_what_a_virtual_environment_needs(machine: Machine, tmp_path: Path) -> None:
    machine.write("id", "echo 0")
    made = machine.run("make-venv", "python3", tmp_path / "venv")
    assert made.returncode == 0, made.stderr
    assert VENV in machine.installed
    assert (tmp_path / "venv").is_dir()


def test_others_are_told_what_a_virtual_environment_needs(machine: Machine, tmp_path: Path) -> None:
    machine.write("id", "echo 1000")
    made = machine.run("make-venv", "python3", tmp_path / "venv")
    assert made.returncode == 1
    assert f"apt-get install {VENV}" in made.stderr
    assert machine.installed == []


def test_an_old_python_is_named(machine: Machine, tmp_path: Path) -> None:
    machine.write("python3.9", 'case "$1" in -V) echo Python 3.9.2 ;; *) exit 1 ;; esac')
    made = machine.run("make-venv", "python3.9", tmp_path / "venv")
    assert made.returncode == 1
    assert "Python 3.9.2" in made.stderr


PEERS = {"chromium", "strace", "curl", "default-jdk-headless", "nodejs", "npm"}


def test_root_gets_what_the_tests_talk_to(machine: Machine) -> None:
    machine.write("id", "echo 0")
    machine.write("cmp", "exit 0")  # the npm clients are there
    made = machine.run("install-peers")
    assert made.returncode == 0, made.stderr
    assert set(machine.installed) >= PEERS


def test_others_are_told_what_the_tests_talk_to(machine: Machine) -> None:
    machine.write("id", "echo 1000")
    for required, code in (("0", 0), ("1", 1)):
        made = machine.run("install-peers", LEGATO_REQUIRE_PEERS=required)
        assert made.returncode == code
        assert set(made.stderr.split()) >= PEERS
    assert machine.installed == []
