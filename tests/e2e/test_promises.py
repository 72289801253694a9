"""What the server promises, each test named by its promise's number in ``docs/design/architecture.md``."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from legato.testing.postgres import Cluster
from legato.testing.receiver import Receiver
from legato.testing.server import Application, Server
from legato.testing.session import Session
from legato.testing.waiting import PATIENCE_SECONDS, poll
from tests.conftest import missing

from .load import Room, Writers, check_log, check_session

NAMES = ["ada", "ben", "cay"]


def scene(server: Server, names: list[str] = NAMES) -> tuple[Application, Room]:
    application = server.application()
    for name in names:
        server.user(application, name)
    return application, Room.make(server, application, names)


def say(server: Server, application: Application, room: Room, user: str, text: str) -> int:
    body = {"type": "text", "body": {"text": text}}
    reply = server.request("POST", f"/v1/conversations/{room.cid}/events", body, token=application.token(user))
    assert reply.status == 201, reply
    event_id: int = reply.body["id"]
    return event_id


def test_1_an_event_that_was_acknowledged_survives_a_kill(
    durable_database_url: str, make_server: Callable[..., Server]
) -> None:
    server = make_server(database_url=durable_database_url)
    application, room = scene(server)
    for number in range(3):
        event_id = say(server, application, room, "ada", f"text {number}")
        server.kill()
        server.restart()
        [last] = server.history(application, room.cid)[-1:]
        assert (last["id"], last["body"]["text"]) == (event_id, f"text {number}")


# strace -f -y writes the process, and names what a descriptor is:
#   812 fdatasync(9</…/legato.db-wal>) = 0
#   812 fdatasync(9</…/legato.db-wal> <unfinished ...>      and later      812 <... fdatasync resumed>) = 0
_SYNC = re.compile(r"^(?P<pid>\d+) +f(?:data)?sync\(\d+<(?:[^>]*legato\.db-wal|[^>]*/pg_wal/[^>]*)>(?P<end>\) *= 0)?")
_SYNCED_LATER = re.compile(r"^(?P<pid>\d+) +<\.\.\. f(?:data)?sync resumed>\) *= 0")
_ASKED = re.compile(r"\b(?:read|recvfrom|recvmsg)\(.*POST /v1/conversations/CON-[^ ]*/events")
_ANSWERED = re.compile(r"\b(?:write|writev|sendto|sendmsg)\(.*HTTP/1\.1 201")


def syncs_of_the_log(lines: list[str]) -> list[int]:
    """The lines on which the disk has confirmed the database's log."""
    done: list[int] = []
    waiting: set[str] = set()
    for number, line in enumerate(lines):
        if (began := _SYNC.match(line)) is not None:
            if began["end"]:
                done.append(number)
            else:
                waiting.add(began["pid"])
        elif (ended := _SYNCED_LATER.match(line)) is not None and ended["pid"] in waiting:
            waiting.discard(ended["pid"])
            done.append(number)
    return done


def test_1_the_log_is_on_the_disk_before_the_answer_is_on_the_wire(
    store: str, durable_database_url: str, make_server: Callable[..., Server], request: Any, tmp_path: Path
) -> None:
    if shutil.which("strace") is None:
        missing("strace is not installed. On Debian, as root: apt-get install strace")
    server = make_server(database_url=durable_database_url)
    application, room = scene(server)
    say(server, application, room, "ada", "every connection is open now")
    pids = [server.pid]
    if store == "postgresql":
        cluster: Cluster = request.getfixturevalue("durable_postgres")
        pids += cluster.pids()
    trace = tmp_path / "trace"
    calls = "fsync,fdatasync,read,recvfrom,recvmsg,write,writev,sendto,sendmsg"
    watch = ["strace", "-f", "-y", "-s", "200", "-e", f"trace={calls}", "-o", trace]
    with subprocess.Popen(
        [*watch, *(part for pid in pids for part in ("-p", str(pid)))], stderr=subprocess.PIPE, text=True
    ) as strace:
        assert strace.stderr is not None
        for _ in pids:
            line = strace.stderr.readline()
            assert "attached" in line, f"this machine does not let strace watch a process: {line}"
        event_id = say(server, application, room, "ben", "is it written?")
        poll(
            lambda: any(_ANSWERED.search(line) for line in trace.read_text().splitlines()),
            PATIENCE_SECONDS,
            "the answer is traced",
        )
        strace.terminate()
        strace.communicate()
    assert event_id
    lines = trace.read_text(errors="replace").splitlines()
    asked = next(number for number, line in enumerate(lines) if _ASKED.search(line))
    answered = next(number for number, line in enumerate(lines) if _ANSWERED.search(line))
    assert any(asked < number < answered for number in syncs_of_the_log(lines)), "\n".join(
        lines[asked - 5 : answered + 5]
    )


async def test_2_ids_are_one_to_n_whatever_is_refused_between(
    database_url: str, make_server: Callable[..., Server]
) -> None:
    server = make_server(database_url=database_url)
    application, room = scene(server)
    url = f"{server.url}/v1/conversations/{room.cid}/events"
    posts: list[dict[str, Any]] = []
    for number in range(60):
        posts += [
            {"type": "text", "body": {"text": f"text {number}"}},
            {"type": "text", "body": {"text": "x" * 2501}},  # too long
            {"type": "message:seen", "body": {"event_id": 4}},  # a repeat, but for the first
            {"type": "custom:tick", "body": {"n": number}},
            {"type": "text:seen", "body": {"event_id": 99_999}},  # no such event
            {"type": "ephemeral", "body": {"n": number}},  # not stored
        ]
    headers = [{"Authorization": f"Bearer {application.token(name)}"} for name in NAMES]
    async with aiohttp.ClientSession() as http:

        async def post(index: int, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
            async with http.post(url, json=body, headers=headers[index % len(headers)]) as reply:
                return reply.status, await reply.json()

        answers = await asyncio.gather(*(post(index, body) for index, body in enumerate(posts)))
    log = server.history(application, room.cid)
    assert [event["id"] for event in log] == list(range(1, len(log) + 1))
    given = [answer["id"] for status, answer in answers if status == 201 and answer["type"] in ("text", "custom:tick")]
    assert len(given) == len(set(given)) == 120
    assert {status for status, _ in answers} == {201, 400, 404}


async def test_3_every_session_and_every_reader_sees_a_conversation_in_order(
    database_url: str, make_server: Callable[..., Server]
) -> None:
    server = make_server(database_url=database_url)
    application, first = scene(server)
    rooms = [first, Room.make(server, application, NAMES)]
    sessions = [
        await Session(server.url, application.token(name), dialect=dialect).login()
        for name in NAMES
        for dialect in ("classic", "chat")
    ]
    async with Writers(server, application, rooms) as writers:
        await writers.more(400)
    assert not writers.refused
    assert not writers.unanswered
    for room in rooms:
        log = check_log(writers, room)
        for session in sessions:
            await check_session(session, room, log)
    for session in sessions:
        # Over all conversations, too, offsets only grow: a client resumes from the last.
        offsets = [int(heard.offset) for heard in session.events if heard.offset is not None]
        assert offsets == sorted(offsets)
        await session.close()


def test_4_one_dead_endpoint_delays_nobody_else_and_an_event_keeps_its_id(
    database_url: str, make_server: Callable[..., Server]
) -> None:
    settings = {"LEGATO_DANGEROUS_ALLOW_PRIVATE_ADDRESSES": "true", "LEGATO_WEBHOOK_RETRY_SECONDS": "0.2"}
    server = make_server(database_url=database_url, settings=settings)
    with Receiver() as dead, Receiver() as well:
        dead.behave("nothing")
        applications = [
            server.application(rtc={"webhooks": {"event_url": {"address": receiver.url}}}) for receiver in (dead, well)
        ]
        rooms = []
        for application in applications:
            for name in NAMES:
                server.user(application, name)
            rooms.append(Room.make(server, application, NAMES))
        # The dead one holds each of its requests; what the other one's application says arrives all the same.
        for number in range(20):
            for application, room in zip(applications, rooms, strict=True):
                last = say(server, application, room, "ada", f"text {number}")
        told = well.until(lambda found: any(each.event.get("id") == last for each in found), "the healthy one is told")
        in_order = [each.event["id"] for each in told if each.event.get("conversation_id") == rooms[1].cid]
        assert in_order == list(range(1, last + 1))
        dead.behave("ok")
        server.kill()
        server.restart()
        told = dead.until(
            lambda found: any(each.event.get("id") == last and each.answered == "ok" for each in found), "it is back"
        )
        first = [each for each in told if each.event.get("conversation_id") == rooms[0].cid and each.event["id"] == 1]
        assert len(first) > 1
        assert {each.id for each in first} == {f"{rooms[0].cid}_1"}


def test_6_state_is_what_the_log_says(database_url: str, make_server: Callable[..., Server]) -> None:
    server = make_server(database_url=database_url)
    application, room = scene(server, [*NAMES, "dov"])
    path = f"/v1/conversations/{room.cid}"
    first = say(server, application, room, "ada", "first")
    second = say(server, application, room, "ben", "second")

    def post(user: str, type_: str, **body: Any) -> None:
        reply = server.request("POST", f"{path}/events", {"type": type_, "body": body}, token=application.token(user))
        assert reply.status == 201, reply

    post("ben", "text:delivered", event_id=first)
    post("cay", "text:seen", event_id=first)
    post("ada", "text:update", text="first, edited", original_event_id=first)
    deleted = server.request("DELETE", f"{path}/events/{second}", token=application.token("ben"))
    assert deleted.status == 204, deleted
    gone = server.request(
        "PATCH", f"{path}/members/{room.members['dov']}", {"state": "left"}, token=application.token("dov")
    )
    assert gone.status == 200, gone

    for _ in range(2):
        check_fold(server, application, room)
        server.kill()
        server.restart()


_RECEIPTS = {"delivered": "delivered_to", "seen": "seen_by"}


def check_fold(server: Server, application: Application, room: Room) -> None:
    """Fold the log by hand and compare with what the server answers as state."""
    log = server.history(application, room.cid)
    members: dict[str, str] = {}
    marks: dict[int, dict[str, set[str]]] = {}
    texts: dict[int, str | None] = {}
    for event in log:
        kind, body = event["type"], event["body"]
        if kind in ("member:invited", "member:joined", "member:left"):
            members[body["member_id"]] = kind.removeprefix("member:").upper()
        elif kind == "text":
            texts[event["id"]] = body.get("text")
        elif kind in ("text:delivered", "text:seen"):
            mark = marks.setdefault(body["event_id"], {})
            mark.setdefault(_RECEIPTS[kind.removeprefix("text:")], set()).add(event["from"])
            mark.setdefault("delivered_to", set()).add(event["from"])
        elif kind == "text:update":
            texts[body["original_event_id"]] = body["text"]
        elif kind == "event:delete":
            texts[body["event_id"]] = None
    token = application.token()
    answered = server.request("GET", f"/v1/conversations/{room.cid}/members?page_size=100", token=token)
    assert {m["id"]: m["state"] for m in answered.body["_embedded"]["members"]} == members
    assert {e["id"]: e["body"].get("text") for e in log if e["type"] == "text"} == texts
    for event in log:
        if event["type"] == "text":
            state = {key: set(value) for key, value in (event["state"] or {}).items() if value}
            assert state == marks.get(event["id"], {})
    conversation = server.request("GET", f"/v1/conversations/{room.cid}", token=token)
    assert conversation.body["sequence_number"] == len(log)


async def test_7_overload_is_refused_and_says_when_to_come_back(make_server: Callable[..., Server]) -> None:
    server = make_server(settings={"LEGATO_USER_RATE": "5", "LEGATO_USER_BURST": "5"})
    application, room = scene(server)
    url = f"{server.url}/v1/conversations/{room.cid}/events"
    headers = {"Authorization": f"Bearer {application.token('ada')}"}
    async with aiohttp.ClientSession(headers=headers) as http:

        async def post(number: int) -> tuple[int, str | None]:
            async with http.post(url, json={"type": "text", "body": {"text": f"text {number}"}}) as reply:
                await reply.read()
                return reply.status, reply.headers.get("Retry-After")

        answers = await asyncio.gather(*(post(number) for number in range(40)))
    refused = [retry for status, retry in answers if status == 429]
    accepted = [status for status, _ in answers if status == 201]
    assert accepted
    assert refused
    assert len(accepted) + len(refused) == 40
    assert all(retry is not None and float(retry) > 0 for retry in refused)
    # What was refused changed nothing.
    assert len([event for event in server.history(application, room.cid) if event["type"] == "text"]) == len(accepted)


async def test_7_a_full_queue_of_the_writer_is_refused_and_says_when_to_come_back(
    make_server: Callable[..., Server],
) -> None:
    server = make_server(settings={"LEGATO_QUEUE_BOUND": "4", "LEGATO_USER_RATE": "0"})
    application, room = scene(server)
    url = f"{server.url}/v1/conversations/{room.cid}/events"
    accepted: list[int] = []
    refused: list[tuple[str | None, Any]] = []
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {application.token('ada')}"}) as http:

        async def post(number: int) -> None:
            async with http.post(url, json={"type": "text", "body": {"text": f"text {number}"}}) as reply:
                answer = await reply.json()
                if reply.status == 201:
                    accepted.append(answer["id"])
                else:
                    assert reply.status == 429, answer
                    refused.append((reply.headers.get("Retry-After"), answer["code"]))

        for _ in range(20):
            await asyncio.gather(*(post(number) for number in range(100)))
            if refused:
                break
    assert accepted
    assert set(refused) == {("1", "system:error:overloaded")}
    # What was refused changed nothing.
    texts = [event["id"] for event in server.history(application, room.cid) if event["type"] == "text"]
    assert texts == sorted(accepted)


FOREIGN = [
    ("GET", "/v1/conversations/{cid}", None),
    ("PUT", "/v1/conversations/{cid}", {"display_name": "mine now"}),
    ("DELETE", "/v1/conversations/{cid}", None),
    ("GET", "/v1/conversations/{cid}/members", None),
    (
        "POST",
        "/v1/conversations/{cid}/members",
        {"user": {"name": "ada"}, "state": "joined", "channel": {"type": "app"}},
    ),
    ("GET", "/v1/conversations/{cid}/members/{mid}", None),
    ("PATCH", "/v1/conversations/{cid}/members/{mid}", {"state": "left"}),
    ("GET", "/v1/conversations/{cid}/events", None),
    ("POST", "/v1/conversations/{cid}/events", {"type": "custom:x", "body": {}}),
    ("GET", "/v1/conversations/{cid}/events/{event}", None),
    ("DELETE", "/v1/conversations/{cid}/events/{event}", None),
    ("GET", "/v1/users/{uid}", None),
    ("PATCH", "/v1/users/{uid}", {"display_name": "mine now"}),
    ("DELETE", "/v1/users/{uid}", None),
    ("GET", "/v1/users/{uid}/conversations", None),
    ("GET", "/v0.3/users/{uid}/sessions", None),
]


@pytest.mark.parametrize(("method", "path", "body"), FOREIGN)
@pytest.mark.parametrize("caller", [None, "ada"])
def test_8_another_application_and_its_user_find_nothing(
    server: Server, method: str, path: str, body: Any, caller: str | None
) -> None:
    owner, room = scene(server)
    uid = server.request("GET", "/v1/users?name=ada", token=owner.token()).body["_embedded"]["users"][0]["id"]
    event = say(server, owner, room, "ada", "private")
    other = server.application()
    server.user(other, "ada")
    target = path.format(cid=room.cid, mid=room.members["ada"], uid=uid, event=event)
    before = server.history(owner, room.cid)
    reply = server.request(method, target, body, token=other.token(caller))
    assert reply.status in (403, 404), reply
    assert "private" not in str(reply.body)
    assert server.history(owner, room.cid) == before
    assert server.request("GET", f"/v1/users/{uid}", token=owner.token()).status == 200


async def test_8_sessions_of_another_application_hear_nothing(server: Server) -> None:
    owner, room = scene(server)
    other, other_room = scene(server)
    eavesdropper = await Session(server.url, other.token("ada")).login()
    say(server, owner, room, "ada", "private")
    said = say(server, other, other_room, "ben", "for ada's ears")
    await eavesdropper.hears("text", lambda heard: heard.id == said)
    assert {heard.cid for heard in eavesdropper.events if heard.cid is not None} == {other_room.cid}
    await eavesdropper.close()
