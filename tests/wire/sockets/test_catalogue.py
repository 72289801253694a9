"""Every event that a test's client hears is held against the catalogue, and it matters."""

from __future__ import annotations

import pytest

from legato.testing.session import InvalidEventError

from .stage import Stage


async def test_an_event_that_breaks_its_types_promise_fails_the_test_that_hears_it(stage: Stage) -> None:
    alice = await stage.person("alice")
    cid = await stage.conversation(alice)
    client = await stage.login("alice")
    await stage.emit(cid, "text", {"text": "as it is to be"}, alice)
    await client.hears("text")
    # Past the API, which would not have let it in.
    await stage.emit(cid, "text", {"text": 7}, alice)
    for wait in (client.until(lambda: len(client.heard("text")) == 2, "both"), client.close()):
        with pytest.raises(InvalidEventError, match=r"text at socket: \$\.body"):
            await wait
    client.faults.clear()
