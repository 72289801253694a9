"""``legato webhooks`` on a real server, with a real receiver."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from legato.api.webhook_views import MAX_REPLAY
from legato.store.attempts import DeadLetter, keep_dead_letters
from legato.testing.databases import write
from legato.testing.receiver import Received, Receiver
from legato.testing.server import Server
from legato.testing.waiting import PATIENCE_SECONDS, poll

from .shell import Shell
from .webhook_scene import SIGNATURE_SECRET, SOON, Scene, running


@pytest.fixture
def scene(shell: Shell, posting_server: Server, receiver: Receiver) -> Scene:
    return _scene(shell, posting_server, receiver)


def _scene(shell: Shell, server: Server, receiver: Receiver) -> Scene:
    shell.set(database_url=server.database_url)
    made = shell.done("app", "create", "Shop", "--event-url", receiver.url, "--json").json
    return Scene(shell, server, receiver, made["id"])


def _raw(request: Received) -> bytes:
    head = "\r\n".join(["POST /hook HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers.items())])
    return head.encode() + b"\r\n\r\n" + request.body


def test_an_endpoint_is_listed_paused_and_resumed(scene: Scene) -> None:
    run = scene.shell
    assert [each["id"] for each in run.done("webhooks", "list", "--json").json] == [scene.application_id]
    assert run.done("webhooks", "pause", "--json").json["state"] == "paused"
    cid = scene.conversation()
    scene.say(cid, 1)
    listed = run.done("webhooks", "list").out.splitlines()
    assert listed[0].split() == ["ID", "URL", "STATE", "BACKLOG", "DEAD", "LETTERS", "WHY"]
    assert listed[1].split() == [
        scene.application_id,
        scene.receiver.url,
        "paused",
        "2",
        "0",
        "paused",
        "by",
        "request",
    ]
    shown = run.done("webhooks", "show", scene.application_id).out
    assert "2 events in 2 streams" in shown
    assert "whsec_" in shown
    assert run.done("webhooks", "resume", "--json").json["state"] == "active"
    scene.until_taken(f"{cid}_1")


def test_the_attempts_at_an_endpoint_are_followed(scene: Scene) -> None:
    cid = scene.conversation()
    scene.until_taken(f"{scene.application_id}_1")
    scene.receiver.behave("404")
    with running("webhooks", "tail", "-n", "5") as (following, printed, _):
        scene.say(cid, 1)
        refused = next(line for line in printed if f"{cid}_1" in line)
        assert refused.split()[1:3] == ["404", "custom:order"]
        scene.receiver.behave("ok")
        assert next(line for line in printed if f"{cid}_1" in line and " 404 " not in line).split()[1] == "200"
        following.send_signal(signal.SIGINT)
        assert following.wait() == 130
    found = scene.shell.done("webhooks", "attempts", "--webhook-id", f"{cid}_1", "--json").json
    assert found[0]["status"] == 200
    assert found[-1]["status"] == 404
    past = scene.shell.done("webhooks", "tail", "--no-follow", "-n", "1", "--json").json
    assert past["webhook_id"] == f"{cid}_1"
    table = scene.shell.done("webhooks", "attempts", "-n", "1").out.splitlines()
    assert [line.split()[1] for line in table] == ["STATUS", "200"]
    assert scene.shell.done("webhooks", "tail", "--no-follow", "-n", "0").out == ""


def test_attempts_are_followed_over_a_restart(
    shell: Shell, make_server: Callable[..., Server], receiver: Receiver
) -> None:
    scene = _scene(shell, make_server(settings=SOON), receiver)
    cid = scene.conversation()
    scene.until_taken(f"{scene.application_id}_1")
    with running("webhooks", "tail", "-n", "5") as (_, printed, said):
        scene.say(cid, 1)
        assert next(line for line in printed if f"{cid}_1 " in line)
        scene.server.stop()
        assert "Asking again" in said.readline()
        scene.server.restart()
        scene.say(cid, 2)
        assert next(line for line in printed if f"{cid}_2 " in line)


def test_more_attempts_than_a_page_holds_come_whole(scene: Scene) -> None:
    cid = scene.conversation()
    for number in range(105):
        scene.say(cid, number)
    run = scene.shell

    def attempts() -> list[str]:
        return [each["webhook_id"] for each in run.done("webhooks", "attempts", "-n", "200", "--json").json]

    poll(lambda: len(attempts()) == 106, PATIENCE_SECONDS, "every attempt is written down")
    mine = [each for each in attempts() if each.startswith(cid)]
    assert mine == [f"{cid}_{number}" for number in range(105, 0, -1)]
    assert len(run.done("webhooks", "attempts", "-n", "101", "--json").json) == 101


def test_what_was_given_up_is_listed_and_sent_again(scene: Scene) -> None:
    run = scene.shell
    # No server goes there, whoever allows what: a dead letter at once.
    scene.server.request(
        "PUT",
        f"/v2/applications/{scene.application_id}",
        {
            **scene.server.request("GET", f"/v2/applications/{scene.application_id}", basic=True).body,
            "capabilities": {"rtc": {"webhooks": {"event_url": {"address": "http://169.254.169.254/"}}}},
        },
        basic=True,
    )
    cid = scene.conversation()
    scene.say(cid, 1)
    poll(lambda: len(run.done("webhooks", "dead-letters", "--json").json) == 2, PATIENCE_SECONDS, "both are put aside")
    letters = run.done("webhooks", "dead-letters", "--json").json
    assert {each["event_type"] for each in letters} == {"conversation:created", "custom:order"}
    assert "address" in run.done("webhooks", "dead-letters").out
    run.done("webhooks", "pause")  # what is sent again would be put aside again
    mine = next(each["id"] for each in letters if each["event_type"] == "custom:order")
    assert "1 events" in run.done("webhooks", "replay", "--dead-letter", str(mine)).err
    assert run.done("webhooks", "replay", "--since", "2026-01-01T00:00:00Z", "--json").json == {"events": 1}


def test_a_replay_that_does_not_hold_all_that_was_given_up_says_how_many_remain_and_what_to_do(scene: Scene) -> None:
    run = scene.shell
    run.done("webhooks", "pause")
    one = DeadLetter(
        endpoint_id=scene.application_id,
        webhook_id="CON-1_1",
        stream="s",
        event_type="text",
        at=time.time(),
        reason="answered 500",
        attempts=5,
    )
    write(scene.server.database_url, lambda to: keep_dead_letters(to, [one] * (MAX_REPLAY + 2)))
    since = ("webhooks", "replay", "--since", "2026-01-01T00:00:00Z")
    said = run.done(*since).err
    assert f"{MAX_REPLAY} events are being sent again" in said
    assert "2 more were given up since then: give the same command again" in said
    said = run.done(*since).err
    assert "2 events are being sent again" in said
    assert "more" not in said


def test_part_of_a_conversation_is_sent_again(scene: Scene) -> None:
    cid = scene.conversation()
    last = [scene.say(cid, number) for number in range(4)][-1]
    scene.until_taken(f"{cid}_{last}")
    before = len(scene.receiver.requests())
    chosen = ("--conversation", cid, "--from", "2", "--to", "3")
    assert scene.shell.done("webhooks", "replay", *chosen, "--json").json == {"events": 2}
    scene.receiver.until(lambda r: len(r) == before + 2, "they come again")
    assert [each.event["id"] for each in scene.receiver.requests(before)] == [2, 3]


def test_what_to_send_again_is_said_in_one_way(scene: Scene) -> None:
    for wrong in ((), ("--dead-letter", "1", "--since", "2026-01-01"), ("--since", "2026-01-01", "--from", "1")):
        assert "--conversation" in scene.shell.refused("webhooks", "replay", *wrong)
    assert "ISO 8601" in scene.shell.refused("webhooks", "replay", "--since", "yesterday")


def test_a_test_ends_with_1_unless_it_is_answered_well(scene: Scene) -> None:
    assert scene.shell.done("webhooks", "test", "--type", "member:joined", "--json").json["status"] == 200
    assert [each.event["type"] for each in scene.receiver.requests()] == ["member:joined"]
    scene.receiver.behave("500")
    refused = scene.shell("webhooks", "test")
    assert (refused.code, refused.out.split()[1:3]) == (1, ["500", "text"])
    scene.receiver.behave("hangup")
    assert scene.shell("webhooks", "test").code == 1
    assert "event type" in scene.shell.refused("webhooks", "test", "--type", "nothing")


def test_an_endpoint_that_is_not_there_is_not_found(scene: Scene) -> None:
    for command in ("show", "attempts", "dead-letters", "pause", "resume", "test", "rotate-secret"):
        assert "does not exist" in scene.shell.refused("webhooks", command, "CON-a/b?c")


def test_more_endpoints_than_a_page_holds_are_listed_whole(scene: Scene) -> None:
    made = [
        scene.ask("POST", "/v1/conversations", {"callback": {"url": scene.receiver.url}}, 201)["id"] for _ in range(101)
    ]
    listed = [each["id"] for each in scene.shell.done("webhooks", "list", "--json").json]
    assert listed == [scene.application_id, *made]


def test_an_endpoint_of_an_application_names_the_application(scene: Scene) -> None:
    scene.shell.application("Another")
    assert "--app" in scene.shell.refused("webhooks", "show")
    for command in ("show", "attempts", "pause", "resume", "test"):
        scene.shell.done("webhooks", command, scene.application_id)


def test_what_is_no_application_is_refused_in_a_sentence(scene: Scene) -> None:
    for command in (("webhooks", "list"), ("listen", "--forward-to", scene.receiver.url), ("user", "list")):
        assert "'nope' is not an application's id" in scene.shell.refused(*command, "--app", "nope")


def test_a_captured_request_is_verified_and_the_check_that_fails_is_named(scene: Scene, tmp_path: Path) -> None:
    run = scene.shell
    secret = run.done("webhooks", "rotate-secret", "--overlap-hours", "0").out.strip()
    run.done("webhooks", "test")
    raw = _raw(scene.receiver.requests()[-1])
    captured, account = tmp_path / "request", tmp_path / "secret"
    captured.write_bytes(raw + b"\n")  # as an editor leaves it
    account.write_text(SIGNATURE_SECRET + "\n")
    both = ("--secret", secret, "--signature-secret-file", str(account))

    def failing(*options: str) -> list[str]:
        result = run("webhooks", "verify", str(captured), *options, "--json")
        assert result.code == (1 if any(not each["passed"] for each in result.json) else 0)
        return [each["about"] for each in result.json if not each["passed"]]

    assert failing(*both) == []
    shown = run.done("webhooks", "verify", str(captured), *both).out
    assert [line.split()[1] for line in shown.splitlines()[1:]] == [
        "webhook-timestamp",
        "webhook-signature",
        "authorization",
        "payload_hash",
    ]
    captured.write_bytes(raw.replace(b'"text"', b'"tert"'))
    assert failing(*both) == ["webhook-signature", "payload_hash"]
    captured.write_bytes(raw)
    account.write_text("x" * 40)
    assert failing(*both) == ["authorization"]
    run.done("webhooks", "rotate-secret", "--overlap-hours", "0")
    other = run.done("webhooks", "show", "--json").json["secrets"][0]
    assert failing("--secret", other) == ["webhook-signature"]
    captured.write_bytes(raw.replace(b"webhook-timestamp", b"x"))
    assert failing("--secret", secret) == ["webhook-timestamp"]
    captured.write_bytes(raw.replace(b"authorization", b"x"))
    assert failing("--signature-secret-file", str(account)) == ["authorization"]


def test_a_body_is_verified_with_headers_given_beside_it(scene: Scene, tmp_path: Path) -> None:
    run = scene.shell
    secret = run.done("webhooks", "show", "--json").json["secrets"][0]
    run.done("webhooks", "test")
    request = scene.receiver.requests()[-1]
    body = tmp_path / "body"
    body.write_bytes(request.body)
    headers = [option for name, value in request.headers.items() for option in ("-H", f"{name}: {value}")]
    run.done("webhooks", "verify", str(body), "--secret", secret, *headers)


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        ("no request", ("--secret", "whsec_AAAA"), "no HTTP request"),
        ("POST / HTTP/1.1\ncontent-length: 9\n\nshort", ("--secret", "whsec_AAAA"), "5 of its 9 bytes"),
        ("POST / HTTP/1.1\nhost\n\n", ("--secret", "whsec_AAAA"), "no colon"),
        ("host: a\n\n", (), "--signature-secret-file"),
        ("host: a\n\n", ("--secret", "AAAA"), "whsec_"),
        ("host: a\n\n", ("--secret", "whsec_?"), "base64"),
        ("host: a\n\n", ("--signature-secret-file", "nowhere"), "cannot be read"),
    ],
)
def test_what_cannot_be_verified_is_refused_in_a_sentence(
    shell: Shell, tmp_path: Path, content: str, options: tuple[str, ...], said: str
) -> None:
    captured = tmp_path / "request"
    captured.write_text(content)
    assert said in shell.refused("webhooks", "verify", str(captured), *options)


def test_without_a_server_webhooks_say_so(shell: Shell) -> None:
    shell.application()
    assert "no server runs" in shell.refused("webhooks", "list")
