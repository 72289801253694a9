"""What the README tells people to type does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.dev_server import DevServer

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"<!-- run -->\n```sh\n(.*?)```", README, re.DOTALL)


def test_there_is_something_to_run() -> None:
    assert BLOCKS


@pytest.fixture
def dev_server(tmp_path: Path) -> Iterator[DevServer]:
    """What `make dev` starts."""
    with DevServer(tmp_path) as running:
        yield running


@pytest.mark.parametrize("block", BLOCKS)
def test_the_first_request_works_as_written(block: str, dev_server: DevServer) -> None:
    server = dev_server
    script = block.replace(".venv/bin/legato", f"'{sys.executable}' -m legato")
    script = script.replace("http://127.0.0.1:8770", server.url)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LEGATO_")}
    environment["LEGATO_DATABASE_URL"] = server.database_url
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=server.directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line.split()[0] for line in ran.stdout.splitlines()[-2:]] == ["1", "2"]
    assert "Shall we start at nine?" in ran.stdout.splitlines()[-1]
