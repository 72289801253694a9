"""Nothing of the console is there on a server that is not for trying."""

from __future__ import annotations

import pytest

from legato.testing.server import Server


@pytest.mark.parametrize("path", ["/", "/console/", "/console/demo.json", "/console/main.js", "/console/feed"])
async def test_a_server_in_production_has_no_console(server: Server, path: str) -> None:
    answer = server.request("GET", path)
    assert answer.status == 404
    assert "token" not in str(answer.body)
