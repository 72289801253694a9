"""The two commands of the README, on a copy of the repository that nothing was prepared in."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from legato.testing.ports import free_port
from legato.testing.waiting import poll

ROOT = Path(__file__).parents[2]
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


def test_make_dev_installs_the_server_and_serves_its_page(tmp_path: Path) -> None:
    clone = copy_of_the_repository(tmp_path)
    port = free_port()
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LEGATO_", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS"))
    }
    with (tmp_path / "make.log").open("wb") as log:
        make = subprocess.Popen(
            ["make", "dev"],
            cwd=clone,
            env={**inherited, "LEGATO_PORT": str(port)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:

        def serves_the_page() -> bool:
            assert make.poll() is None, (tmp_path / "make.log").read_text(errors="replace")[-4000:]
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
                    return answer.status == 200 and b"<html" in answer.read()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                return False

        poll(serves_the_page, INSTALL_SECONDS, "make dev serves the page")
        # It runs what was installed there, and keeps its files there.
        assert (clone / ".venv" / "bin" / "legato").exists()
        assert (clone / ".legato" / "legato.db").exists()
    finally:
        os.killpg(make.pid, signal.SIGTERM)
        make.wait()
