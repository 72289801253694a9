"""The wheel: built of what git holds, installed where nothing of this repository is, and run."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

import pytest

from .dev_server import DevServer
from .test_make_dev import copy_of_the_repository

ROOT = Path(__file__).parents[2]


def run(*command: str | Path) -> str:
    """What a command prints. Fails with its errors."""
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with the wheel in it; the dependencies are those of the tests' own environment."""
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    run(*pip, "wheel", copy_of_the_repository(tmp_path / "repository"), "--no-deps", "--wheel-dir", tmp_path)
    [wheel] = tmp_path.glob("*.whl")
    made = tmp_path / "environment"
    run(sys.executable, "-m", "venv", "--without-pip", made)
    run(*pip, "--python", made / "bin" / "python", "install", "--no-deps", wheel)
    [packages] = (made / "lib").glob("python*/site-packages")
    # Below what is installed here: Python looks there last, and follows no link from there to the source.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return made


def test_the_wheel_has_all_that_the_page_needs(environment: Path, tmp_path: Path) -> None:
    class Installed(DevServer):
        command = (str(environment / "bin" / "legato"), "dev")

    directory = tmp_path / "server"
    directory.mkdir()
    python = environment / "bin" / "python"
    assert run(python, "-I", "-c", "import legato; print(legato.__file__)").startswith(str(environment))
    with Installed(directory, settings={"PYTHONPATH": ""}) as server:
        for path, source in (
            ("/", "src/legato/console/static/index.html"),
            ("/console/main.js", "src/legato/console/static/main.js"),
            ("/console/client/legato.js", "clients/js/src/legato.js"),
        ):
            with urllib.request.urlopen(server.url + path) as answer:
                assert answer.read() == (ROOT / source).read_bytes()
        assert len(server.demo()["users"]) == 2
