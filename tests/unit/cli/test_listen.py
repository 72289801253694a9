"""``legato listen``: a program beside the command hears what an endpoint would, and no endpoint is configured."""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator

import jwt
import msgspec
import pytest
from standardwebhooks import Webhook

from legato.cli.client import AnswerError, Client
from legato.testing.receiver import Receiver
from legato.testing.server import Server
from legato.testing.waiting import PATIENCE_SECONDS, poll
from legato.webhooks.listeners import MAX_LISTENERS

from .shell import Shell
from .webhook_scene import SIGNATURE_SECRET, Scene, running


@pytest.fixture
def scene(shell: Shell, posting_server: Server, receiver: Receiver) -> Scene:
    return _scene(shell, posting_server, receiver)


def _scene(shell: Shell, server: Server, receiver: Receiver) -> Scene:
    shell.set(database_url=server.database_url)
    return Scene(shell, server, receiver, shell.application())


def test_events_are_posted_as_they_happen_in_order_and_signed(scene: Scene) -> None:
    before = scene.conversation()
    with running("listen", "--forward-to", scene.receiver.url, "--once", "4") as (listening, printed, said):
        secret = said.readline().split()[-1]
        cid = scene.conversation()
        for number in range(3):
            scene.say(cid, number)
        lines = printed.read().splitlines()
        assert listening.wait() == 0
    requests = scene.receiver.requests()
    assert [each.id for each in requests[1:]] == [f"{cid}_{number}" for number in (1, 2, 3)]
    assert requests[0].event["body"]["id"] == cid
    assert not any(before in each.body.decode() for each in requests)
    assert [line.split()[1:4] for line in lines[1:]] == [["200", "custom:order", each.id] for each in requests[1:]]
    for each in requests:
        assert Webhook(secret).verify(each.body, each.headers) == each.event
        claims = jwt.decode(each.headers["authorization"].split()[1], SIGNATURE_SECRET, algorithms=["HS256"])
        assert claims["application_id"] == scene.application_id
        assert each.headers["content-type"] == "application/json"


def test_what_is_not_taken_is_told_and_not_sent_again(scene: Scene) -> None:
    with running("listen", "--forward-to", scene.receiver.url, "--json") as (listening, printed, said):
        said.readline()
        cid = scene.conversation()
        told = [msgspec.json.decode(printed.readline())]
        for number, answer in enumerate(("500", "hangup", "ok")):
            scene.receiver.behave(answer)
            scene.say(cid, number)
            told.append(msgspec.json.decode(printed.readline()))
        listening.send_signal(signal.SIGINT)
        assert listening.wait() == 130
    assert [each.get("status") for each in told] == [200, 500, None, 200]
    assert "127.0.0.1" in told[2]["error"]
    assert [each.answered for each in scene.receiver.requests()] == ["ok", "500", "hangup", "ok"]


def test_it_comes_back_after_the_server_and_says_that_events_are_missed(
    shell: Shell, make_server: Callable[..., Server], receiver: Receiver
) -> None:
    scene = _scene(shell, make_server(), receiver)
    with running("listen", "--forward-to", scene.receiver.url, "--once", "1") as (listening, printed, said):
        first = said.readline()
        scene.server.stop()
        assert "the server is stopping" in said.readline()
        scene.server.restart()
        again = next(line for line in said if line.startswith("Forwarding"))
        assert again == first  # its secret too
        scene.conversation()
        assert "conversation:created" in printed.read()
        assert listening.wait() == 0


def test_an_application_has_few_listeners_and_one_that_has_gone_makes_room(scene: Scene) -> None:
    client, token = Client(scene.server.url, None), scene.shell.done("token").out.strip()

    def listener() -> Generator[bytes, None, None]:
        lines = client.lines(token, "/v1/webhooks/listen", 30)
        assert b"whsec_" in next(lines)
        return lines

    def has_room() -> bool:
        try:
            listening.append(listener())
        except AnswerError:
            return False
        return True

    listening = [listener() for _ in range(MAX_LISTENERS)]
    refused = scene.shell.refused("listen", "--forward-to", scene.receiver.url)
    assert f"at most {MAX_LISTENERS} listeners" in refused
    listening.pop().close()
    poll(has_room, PATIENCE_SECONDS, "there is room again")
    for each in listening:
        each.close()


def test_an_application_that_is_deleted_is_listened_to_no_more(scene: Scene) -> None:
    with running("listen", "--forward-to", scene.receiver.url) as (listening, _, said):
        said.readline()
        answer = scene.server.request("DELETE", f"/v2/applications/{scene.application_id}", basic=True)
        assert answer.status == 204
        assert "the application was deleted" in said.readline()
        assert listening.wait() == 1


def test_users_and_strangers_hear_nothing(scene: Scene) -> None:
    user = scene.shell
    user.done("user", "create", "alice")
    token = user.done("token", "alice").out.strip()
    assert scene.server.request("GET", "/v1/webhooks/listen", token=token).status in (401, 403)
    assert scene.server.request("GET", "/v1/webhooks/listen").status == 401


@pytest.mark.parametrize("url", ["nowhere", "ftp://127.0.0.1/", "http://"])
def test_what_is_no_url_is_refused(shell: Shell, url: str) -> None:
    assert "--forward-to" in shell.refused("listen", "--forward-to", url)


def test_without_a_server_there_is_nothing_to_listen_to(shell: Shell) -> None:
    shell.application()
    assert "no server runs" in shell.refused("listen", "--forward-to", "http://127.0.0.1:9/")
    shell.set(api_key="abcd1234", api_secret="not-a-secret-1Aa")
    said = shell.refused("listen", "--forward-to", "http://127.0.0.1:9/", "--server", "http://127.0.0.1:9")
    assert "there is no answer" in said
