"""Events leave the house: in order, at least once, under a stable id, whatever the receiver does."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

from legato.testing.receiver import Received
from legato.testing.waiting import PATIENCE_SECONDS

from .conftest import Scene


def of(requests: list[Received], cid: str) -> list[Received]:
    """What was told of a conversation's log."""
    return [each for each in requests if each.event.get("conversation_id") == cid and "id" in each.event]


def test_every_event_of_a_conversation_is_posted_once_in_the_order_of_its_log(scene: Scene) -> None:
    cid = scene.conversation()
    last = [scene.text(cid, f"text {number}") for number in range(20)][-1]
    found = of(scene.receiver.until(lambda r: len(of(r, cid)) >= last, "all are told"), cid)
    assert [each.event["id"] for each in found] == list(range(1, last + 1))
    assert [each.id for each in found] == [f"{cid}_{event_id}" for event_id in range(1, last + 1)]
    log = scene.log(cid)
    assert [(each.event["type"], each.event["body"]) for each in found] == [(one["type"], one["body"]) for one in log]
    assert {each.method for each in found} == {"POST"}
    assert {each.headers["content-type"] for each in found} == {"application/json"}


def test_a_conversation_is_announced_and_its_end_is_told(scene: Scene) -> None:
    cid = scene.conversation(name="room", display_name="Room")
    scene.ask("DELETE", f"/v1/conversations/{cid}", status=204)

    def told(requests: list[Received]) -> list[dict[str, Any]]:
        return [each.event for each in requests if each.event["type"].startswith("conversation:")]

    found = told(scene.receiver.until(lambda r: len(told(r)) == 2, "both are told"))
    assert [each["type"] for each in found] == ["conversation:created", "conversation:deleted"]
    assert [each["body"]["id"] for each in found] == [cid, cid]
    assert not any("id" in each or "conversation_id" in each for each in found)


def test_typing_and_ephemeral_events_are_told_although_no_log_has_them(scene: Scene) -> None:
    cid = scene.conversation()
    token = scene.application.token("alice")
    for body in ({"type": "text:typing:on", "body": {}}, {"type": "ephemeral", "body": {"cursor": 7}}):
        answer = scene.server.request("POST", f"/v1/conversations/{cid}/events", body, token=token)
        assert answer.status in (200, 201), answer
    kinds = {"text:typing:on", "ephemeral"}
    scene.receiver.until(lambda r: kinds <= {each.event["type"] for each in r}, "both are told")


def test_signals_to_an_endpoint_that_never_answers_hold_up_nobody_elses(scene: Scene) -> None:
    other = scene.server.application(rtc={"webhooks": {"event_url": {"address": f"{scene.receiver.url}/well"}}})
    scene.server.user(other, "alice")
    told = Scene(scene.server, scene.receiver, other)
    cid, theirs = scene.conversation(), told.conversation()
    scene.receiver.behave("nothing", only=scene.application.id)

    def signal(who: Scene, where: str, number: int) -> None:
        body = {"type": "ephemeral", "body": {"cursor": number}}
        answer = who.server.request(
            "POST", f"/v1/conversations/{where}/events", body, token=who.application.token("alice")
        )
        assert answer.status in (200, 201), answer

    # More than are ever under way at a time, to everybody together.
    for number in range(40):
        signal(scene, cid, number)
    signal(told, theirs, 40)
    found = scene.receiver.until(
        lambda r: any(each.path == "/hook/well" and each.event["type"] == "ephemeral" for each in r), "it is told"
    )
    unanswered = [each for each in found if each.path == "/hook" and each.event["type"] == "ephemeral"]
    assert len(unanswered) <= 4


def test_what_came_of_signals_and_of_examples_is_counted(own_scene: Scene) -> None:
    scene = own_scene
    cid = scene.conversation()
    scene.until_endpoint(lambda it: it["backlog"]["events"] == 0)

    def signal() -> None:
        body = {"type": "ephemeral", "body": {}}
        token = scene.application.token("alice")
        answer = scene.server.request("POST", f"/v1/conversations/{cid}/events", body, token=token)
        assert answer.status in (200, 201), answer

    def counted(what: str) -> dict[str, float]:
        with urllib.request.urlopen(f"{scene.server.url}/metrics", timeout=PATIENCE_SECONDS) as reply:
            text = reply.read().decode()
        found = re.findall(rf'^legato_webhook_{what}_total{{outcome="(\w+)"}} (\S+)$', text, re.MULTILINE)
        return {outcome: float(count) for outcome, count in found}

    signal()
    scene.until(lambda: counted("signals") == {"delivered": 1, "failed": 0, "dropped": 0}, "it is taken")
    scene.receiver.behave("500")
    signal()
    scene.until(lambda: counted("signals") == {"delivered": 1, "failed": 1, "dropped": 0}, "it is refused")
    scene.ask("POST", f"/v1/webhooks/{scene.application.id}/test", {})
    scene.receiver.behave("nothing")
    for _ in range(6):  # four are under way at a time
        signal()
    scene.until(lambda: counted("signals")["dropped"] == 2, "two are not sent")
    scene.receiver.behave("ok")
    scene.ask("POST", f"/v1/webhooks/{scene.application.id}/test", {})
    assert counted("tests") == {"delivered": 1, "failed": 1}


def test_what_fails_is_tried_again_and_everything_arrives_in_order(scene: Scene) -> None:
    cid = scene.conversation()
    for answer in ("500", "garbage", "hangup"):
        scene.receiver.behave(answer)
        before = len(scene.receiver.requests())
        scene.text(cid, answer)
        scene.receiver.until(lambda r, n=before: len(r) > n, f"it meets {answer}")
        scene.receiver.behave("ok")
        last = scene.text(cid, "after it")
        scene.receiver.until(
            lambda r, n=last: any(each.event.get("id") == n and each.answered == "ok" for each in r), "it goes on"
        )
    accepted = [each.event["id"] for each in of(scene.receiver.accepted(), cid)]
    assert accepted == list(range(1, len(accepted) + 1))


def test_an_event_that_is_refused_while_others_are_taken_becomes_a_dead_letter(scene: Scene) -> None:
    poisoned, healthy = scene.conversation(), scene.conversation()
    scene.receiver.behave("500", only="poison")
    bad = scene.text(poisoned, "poison")
    after = scene.text(poisoned, "wholesome")

    def goes_on(requests: list[Received]) -> bool:
        scene.text(healthy, "meanwhile")
        return any(each.event.get("id") == after for each in of(requests, poisoned))

    scene.receiver.until(goes_on, "the lane goes on")
    attempts = [each for each in of(scene.receiver.requests(), poisoned) if each.event["id"] == bad]
    assert len(attempts) >= 5
    assert {each.id for each in attempts} == {f"{poisoned}_{bad}"}
    [letter] = scene.ask("GET", f"/v1/webhooks/{scene.application.id}/dead-letters")["_embedded"]["dead_letters"]
    assert (letter["webhook_id"], letter["status"], letter["reason"]) == (f"{poisoned}_{bad}", 500, "answered 500")
    assert len(of(scene.receiver.accepted(), healthy)) > 1
