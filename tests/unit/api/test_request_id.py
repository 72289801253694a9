"""Where a request's id comes from, and where it is found again."""

from __future__ import annotations

import asyncio
import re
from contextvars import Context

import pytest

from legato.api import Generation, request_id
from legato.api.errors import refused
from legato.events.refusal import Forbidden

MADE = re.compile("[0-9a-f]{32}")


@pytest.mark.parametrize("given", [b"7", b"x" * 64, b"!~", b"4bf92f3577b34da6a3ce929d0e0e4736"])
async def test_a_sane_id_of_the_caller_is_taken(given: bytes) -> None:
    request_id.begin({"headers": [(b"host", b"x"), (b"x-request-id", given)]})
    assert request_id.current() == given.decode()


@pytest.mark.parametrize("given", [b"", b"x" * 65, b"two words", b"line\nline", b"\xc3\xa9", b"\x7f", b"a\n"])
async def test_any_other_is_not(given: bytes) -> None:
    request_id.begin({"headers": [(b"x-request-id", given)]})
    found = request_id.current()
    assert found is not None
    assert MADE.fullmatch(found)


async def test_an_id_that_is_made_stays_and_is_known_to_the_tasks_of_the_request() -> None:
    async def asked() -> str | None:
        return request_id.current()

    request_id.begin({"headers": []})
    first = request_id.current()
    assert first == request_id.current() == await asyncio.create_task(asked())
    request_id.begin({"headers": []})
    assert request_id.current() != first


def test_outside_of_a_request_there_is_none() -> None:
    assert Context().run(request_id.current) is None


@pytest.mark.parametrize("generation", Generation)
async def test_every_refusal_carries_it(generation: Generation) -> None:
    request_id.begin({"headers": [(b"x-request-id", b"req-7")]})
    reply = refused(Forbidden("no"), generation)
    assert (b"x-request-id", b"req-7") in reply.headers
    body = reply.body
    assert isinstance(body, dict)
    assert body.get("instance", "req-7") == "req-7"
