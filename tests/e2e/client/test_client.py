"""The small client in Node, against the server: the tests stand in the ``.test.mjs`` files."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from legato.testing.server import Server
from tests.conftest import missing

HERE = Path(__file__).parent
PATIENCE_S = 180.0


@pytest.mark.parametrize("file", [pytest.param(path, id=path.name) for path in sorted(HERE.glob("*.test.mjs"))])
async def test_the_client_passes(file: Path, server: Server) -> None:
    node = shutil.which("node")
    if node is None:
        missing("Node is not installed. On Debian, as root: apt-get install nodejs")
    application = server.application()
    for name in ("alice", "bob"):
        server.user(application, name)
    tokens = {
        "application": application.token(),
        "alice": application.token("alice"),
        "bob": application.token("bob"),
        "bob, expired": application.token("bob", now=time.time() - 7_200, ttl=3_600),
    }
    process = await asyncio.create_subprocess_exec(
        node or "node",
        "--test",
        str(file),
        env={**os.environ, "LEGATO_URL": server.url, "LEGATO_TOKENS": json.dumps(tokens)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
