"""Many events to a receiver that misbehaves in every way: each arrives, in order, signed, and no lane is stuck."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import aiohttp
import jwt
import msgspec
import pytest
from standardwebhooks import Webhook
from vonage_jwt import verify_signature

from legato.testing.receiver import Received, Receiver
from tests.conftest import missing

from .conftest import INTEROP, SIGNATURE_SECRET, SOON, Scene

EVENTS: Final = int(os.environ.get("LEGATO_EVENTS", "5000"))
# Events that are posted, delivered and verified together: verifiers refuse a signature that is five minutes old.
ROUND: Final = 5_000
ROOMS: Final = 50
# How often the receiver answers so: every fortieth request with 500, and so on. What makes the whole endpoint wait is
# rarer, and rarest what is waited for until it has timed out.
MISCHIEF: Final = {"nothing": 3_989, "503": 1_009, "slow": 307, "hangup": 211, "garbage": 197, "500": 40}
SECONDS: Final = 240.0  # for a round to be delivered, on a busy machine


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """One that keeps a journal, so that not everything it has heard is asked for again and again."""
    with Receiver(tmp_path / "journal") as running:
        yield running


@pytest.fixture
def settings() -> dict[str, str]:
    """Retries are soon, and nothing is given up: with as many errors, one event might be unlucky."""
    return {**SOON, "LEGATO_WEBHOOK_POISON_SECONDS": "3600"}


@pytest.mark.soak
def test_a_receiver_that_misbehaves_in_every_way_gets_every_event_in_order(
    scene: Scene, receiver: Receiver, tmp_path: Path
) -> None:
    if shutil.which("node") is None or not (INTEROP / "node_modules").is_dir():
        missing("Node and the official npm clients are needed: run scripts/install-peers")
    rooms = [scene.conversation() for _ in range(ROOMS)]
    secret = scene.endpoint()["secrets"][0]
    receiver.behave(every=MISCHIEF, retry_after="1", seconds=0.5)
    answered: set[str] = set()
    progress = dict.fromkeys(rooms, 0)
    with (tmp_path / "journal").open("rb") as journal:
        for _ in range(max(1, EVENTS // ROUND)):
            last = asyncio.run(post(scene, rooms, ROUND // ROOMS))
            scene.until(lambda: scene.endpoint()["backlog"]["events"] == 0, "nothing waits any more", SECONDS)
            told = [each for each in read(journal) if each.event.get("conversation_id") in progress]
            for cid, events in by_conversation(told).items():
                progress[cid] = check_order(cid, events, progress[cid])
            assert progress == last
            check_with_python(told, secret)
            check_with_node(told, secret)
            answered |= {each.answered for each in told}
    assert answered == {"ok", *MISCHIEF}
    assert scene.endpoint()["dead_letters"] == 0


def test_an_endpoint_that_is_gone_keeps_nothing_from_the_others_and_gets_it_all_when_it_is_back(
    scene: Scene, receiver: Receiver
) -> None:
    receiver.behave("410", path="/hook/gone")
    cid = scene.conversation(callback={"url": f"{receiver.url}/gone"})
    last = [scene.text(cid, f"text {number}") for number in range(20)][-1]

    def events(path: str) -> list[Received]:
        return [each for each in receiver.requests() if each.path == path and each.event.get("id")]

    scene.until(lambda: [each.event["id"] for each in events("/hook")][-1:] == [last], "the other one is told")
    callback = scene.until(
        lambda: found if (found := scene.endpoint(cid))["state"] == "disabled" else None, "it is off"
    )
    assert (callback["why"], callback["backlog"]) == ("answered 410 Gone", {"events": last, "streams": 1})
    assert [each.event["id"] for each in events("/hook/gone")] == [1]
    receiver.behave("ok", path="/hook/gone")
    scene.ask("POST", f"/v1/webhooks/{cid}/resume")
    scene.until(lambda: scene.endpoint(cid)["backlog"]["events"] == 0, "it has everything")
    assert [each.event["id"] for each in events("/hook/gone")] == [1, *range(1, last + 1)]


async def post(scene: Scene, rooms: list[str], count: int) -> dict[str, int]:
    """Alice writes ``count`` texts into every room at once; the ids of the last ones."""
    headers = {"Authorization": f"Bearer {scene.application.token('alice')}"}

    async def fill(http: aiohttp.ClientSession, cid: str) -> int:
        url = f"{scene.server.url}/v1/conversations/{cid}/events"
        last = 0
        for number in range(count):
            async with http.post(url, json={"type": "text", "body": {"text": f"smörgåsbord {number} 🎻"}}) as reply:
                assert reply.status == 201, await reply.text()
                last = (await reply.json())["id"]
        return last

    async with aiohttp.ClientSession(headers=headers) as http:
        return dict(zip(rooms, await asyncio.gather(*(fill(http, cid) for cid in rooms)), strict=True))


def read(journal: IO[bytes]) -> list[Received]:
    """What has come since it was read last."""
    return [msgspec.json.decode(line, type=Received) for line in journal]


def by_conversation(told: list[Received]) -> dict[str, list[Received]]:
    """The requests of each, in the order in which they came."""
    found: dict[str, list[Received]] = {}
    for each in told:
        if "id" in each.event:
            found.setdefault(each.event["conversation_id"], []).append(each)
    return found


def check_order(cid: str, events: list[Received], before: int) -> int:
    """The last event, when they are those after ``before``, each under its id and until it was taken: nothing else was
    sent meanwhile, and nothing is sent again afterwards.
    """
    for event_id, tries in itertools.groupby(events, key=lambda each: int(each.event["id"])):
        attempts = list(tries)
        assert event_id == before + 1, f"after {before} of {cid} came {event_id}"
        assert {each.id for each in attempts} == {f"{cid}_{event_id}"}
        assert attempts[-1].was_taken
        before = event_id
    return before


def check_with_python(told: list[Received], secret: str) -> None:
    """Every request is what the Python SDK and Standard Webhooks take."""
    standard = Webhook(secret)
    for each in told:
        token = each.headers["authorization"].removeprefix("Bearer ")
        assert verify_signature(token, SIGNATURE_SECRET) is True
        claims = jwt.decode(token, SIGNATURE_SECRET, algorithms=["HS256"])
        assert claims["payload_hash"] == hashlib.sha256(each.body).hexdigest()
        assert standard.verify(each.body, each.headers) == each.event


def check_with_node(told: list[Received], secret: str) -> None:
    """And what the Node SDK and Standard Webhooks' library for it take."""
    requests = [
        {
            "token": each.headers["authorization"].removeprefix("Bearer "),
            "payload": each.body.decode(),
            "headers": each.headers,
            "secret": secret,
        }
        for each in told
    ]
    verified = subprocess.run(
        ["node", "drivers/verify_webhooks.mjs", SIGNATURE_SECRET],
        cwd=INTEROP,
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(verified.stdout) == [{"jwt": True, "hash": True, "standard": True}] * len(told)
