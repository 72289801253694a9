"""The page's modules that need no browser, in Node: the tests stand in ``page.test.mjs``."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import missing


def test_the_modules_of_the_page_pass() -> None:
    node = shutil.which("node")
    if node is None:
        missing("Node is not installed: make peers")
        return
    done = subprocess.run(
        [node, "--test", str(Path(__file__).with_name("page.test.mjs"))], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
