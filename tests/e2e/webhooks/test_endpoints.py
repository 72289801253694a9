"""An endpoint's life: paused, resumed, throttled, gone, forbidden; what was given up is sent again."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from legato.api.webhook_views import MAX_REPLAY
from legato.events.export import Sink, validate_event
from legato.events.moment import iso
from legato.store.attempts import DeadLetter, keep_dead_letters
from legato.testing.databases import write
from legato.testing.receiver import Received, Receiver

from .conftest import Scene
from .test_delivery import of

SIGNALS = ("text:typing:on", "ephemeral")


def path(scene: Scene, rest: str = "") -> str:
    """Of the application's endpoint."""
    return f"/v1/webhooks/{scene.application.id}{rest}"


def arrives(scene: Scene, cid: str, event_id: int) -> list[Received]:
    """Waits for an event of a conversation to be taken."""
    return scene.receiver.until(
        lambda r: any(each.event.get("id") == event_id and each.answered == "ok" for each in of(r, cid)), "it arrives"
    )


def test_what_happens_while_an_endpoint_is_paused_is_told_when_it_is_resumed(scene: Scene) -> None:
    cid = scene.conversation()
    arrives(scene, cid, scene.text(cid, "before"))
    assert scene.ask("POST", path(scene, "/pause"))["state"] == "paused"
    heard = len(scene.receiver.requests())
    last = [scene.text(cid, f"meanwhile {number}") for number in range(3)][-1]
    assert scene.endpoint()["backlog"] == {"events": 3, "streams": 1}
    assert len(scene.receiver.requests()) == heard
    assert scene.ask("POST", path(scene, "/resume"))["state"] == "active"
    found = arrives(scene, cid, last)
    assert [each.event["id"] for each in of(found, cid)] == list(range(1, last + 1))


def test_an_endpoint_that_is_gone_is_disabled_and_can_be_resumed(scene: Scene) -> None:
    cid = scene.conversation()
    scene.receiver.behave("410")
    scene.text(cid, "to nobody")
    scene.receiver.until(lambda r: any(each.answered == "410" for each in r), "it is asked")
    scene.until_endpoint(lambda it: it["state"] == "disabled")
    assert scene.endpoint()["why"] == "answered 410 Gone"
    scene.receiver.behave("ok")
    last = scene.text(cid, "to nobody either")
    scene.ask("POST", path(scene, "/resume"))
    arrives(scene, cid, last)


def test_an_endpoint_that_asks_for_patience_is_given_it(scene: Scene) -> None:
    cid = scene.conversation()
    arrives(scene, cid, scene.text(cid, "before"))
    scene.receiver.behave("503", retry_after="600")
    last = scene.text(cid, "later")
    found = scene.until_endpoint(lambda it: "waits_until" in it)
    assert found["why"] == "answered 503"
    scene.receiver.behave("ok")
    assert not any(each.event.get("id") == last and each.answered == "ok" for each in scene.receiver.requests())
    scene.ask("POST", path(scene, "/resume"))
    arrives(scene, cid, last)


def test_nothing_is_sent_before_the_time_that_429_asks_for_and_then_everything_in_order(scene: Scene) -> None:
    patience = 2.0  # far longer than the schedule's first wait
    cid, other = scene.conversation(), scene.conversation()
    arrives(scene, cid, scene.text(cid, "before"))
    arrives(scene, other, scene.text(other, "before"))
    scene.until_endpoint(lambda it: it["backlog"]["events"] == 0)  # nothing else is under way
    scene.receiver.behave("429", retry_after=f"{patience:.0f}")
    scene.text(cid, "too soon")
    found = scene.receiver.until(lambda r: any(each.answered == "429" for each in r), "it asks for patience")
    refused = next(each for each in found if each.answered == "429")
    assert scene.until_endpoint(lambda it: "why" in it)["why"] == "answered 429"
    scene.receiver.behave("ok")
    last = {where: [scene.text(where, f"later {number}") for number in range(5)][-1] for where in (cid, other)}
    for where, event_id in last.items():
        arrives(scene, where, event_id)
    assert min(each.at for each in scene.receiver.requests(refused.number)) >= refused.at + patience
    for where, event_id in last.items():
        accepted = [each.event["id"] for each in of(scene.receiver.accepted(), where)]
        assert accepted == list(range(1, event_id + 1))


def test_attempts_are_kept_with_status_latency_and_answer(scene: Scene) -> None:
    cid = scene.conversation()
    said = "no such thing: " + "x" * 5_000
    scene.receiver.behave("404", said=said)
    event_id = scene.text(cid, "lost")
    scene.receiver.until(lambda r: any(each.answered == "404" for each in r), "it is refused")
    scene.receiver.behave("ok")
    arrives(scene, cid, event_id)
    query = f"/attempts?webhook_id={cid}_1"

    def attempts() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = scene.ask("GET", path(scene, query))["_embedded"]["attempts"]
        return found

    scene.until(lambda: attempts() and attempts()[0].get("status") == 200, "the last attempt is written down")
    statuses = [each["status"] for each in attempts()]
    assert statuses == [200, *[404] * (len(statuses) - 1)]
    assert [each.get("answer") for each in attempts()] == [None, *[said[:2_048]] * (len(statuses) - 1)]
    assert all(each["event_type"] == "member:joined" and each["seconds"] > 0 for each in attempts())


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://0x7f.1:9/",
        "http://[::ffff:127.0.0.1]:9/",
        "http://localhost:9/",
        "http://169.254.169.254/",
    ],
)
def test_a_forbidden_address_is_a_dead_letter_that_says_so(strict_scene: Scene, url: str) -> None:
    scene = strict_scene
    scene.point_at(url)
    scene.conversation()
    letters = scene.until(
        lambda: scene.ask("GET", path(scene, "/dead-letters"))["_embedded"]["dead_letters"], "it is put aside"
    )
    assert all("address" in each["reason"] for each in letters), letters


def test_a_redirect_is_not_followed_and_its_event_becomes_a_dead_letter(scene: Scene) -> None:
    elsewhere = f"{scene.receiver.url}/elsewhere"
    scene.receiver.behave("307", only="moved", location=elsewhere)
    moved, healthy = scene.conversation(), scene.conversation()
    scene.text(moved, "moved")

    def letters() -> list[dict[str, Any]]:
        scene.text(healthy, "meanwhile")
        found: list[dict[str, Any]] = scene.ask("GET", path(scene, "/dead-letters"))["_embedded"]["dead_letters"]
        return found

    [letter] = scene.until(letters, "it is put aside")
    assert (letter["status"], letter["reason"]) == (307, "answered 307, and redirects are not followed")
    assert not any(each.path == "/hook/elsewhere" for each in scene.receiver.requests())


def test_what_only_looks_like_a_url_is_a_dead_letter_and_holds_nothing_up(scene: Scene) -> None:
    cid = scene.conversation(callback={"url": "http://[nowhere", "method": "GET"})
    scene.text(cid, "to nobody")

    def letters() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = scene.ask("GET", f"/v1/webhooks/{cid}/dead-letters")["_embedded"]["dead_letters"]
        return found

    found = scene.until(letters, "they are put aside")
    assert found[0]["reason"] == "This is not a URL."


def test_dead_letters_are_sent_again_under_the_ids_they_had(scene: Scene) -> None:
    cid, other = scene.conversation(), scene.conversation()
    scene.receiver.behave("500", only="poison")
    bad = [scene.text(cid, f"poison {number}") for number in range(2)]

    def letters() -> list[dict[str, Any]]:
        scene.text(other, "meanwhile")
        found: list[dict[str, Any]] = scene.ask("GET", path(scene, "/dead-letters"))["_embedded"]["dead_letters"]
        return found

    scene.until(lambda: len(letters()) == 2, "both are put aside", 60)
    scene.receiver.behave("ok")
    assert scene.ask("POST", path(scene, "/replay"), {"since": "2026-01-01T00:00:00Z"}, 202) == {"events": 2}
    arrives(scene, cid, bad[-1])
    again = [each for each in of(scene.receiver.accepted(), cid) if each.event["id"] in bad]
    assert [(each.id, each.event["id"]) for each in again] == [(f"{cid}_{event_id}", event_id) for event_id in bad]
    assert all("replayed_at" in each for each in letters())
    mine = [each["id"] for each in letters()]
    refused = scene.ask("POST", path(scene, "/replay"), {"dead_letters": [*mine, 4711]}, 400)
    assert refused["invalid_parameters"][0]["reason"].endswith("4711 is not the id of one of this endpoint's")
    assert scene.ask("POST", path(scene, "/replay"), {"dead_letters": mine}, 202) == {"events": 2}


def test_a_replay_of_more_dead_letters_than_it_holds_takes_the_oldest_and_says_how_many_remain(scene: Scene) -> None:
    scene.ask("POST", path(scene, "/pause"))
    now = time.time()

    def letters(count: int, at: float) -> list[DeadLetter]:
        mine = {"endpoint_id": scene.application.id, "stream": "s", "event_type": "text", "reason": "-", "attempts": 1}
        return [DeadLetter(webhook_id=f"CON-{number}_1", at=at, **mine) for number in range(count)]

    write(scene.server.database_url, lambda to: keep_dead_letters(to, letters(2, now - 3_600)))
    write(scene.server.database_url, lambda to: keep_dead_letters(to, letters(MAX_REPLAY + 3, now)))
    since = {"since": iso(now - 60)}
    assert scene.ask("POST", path(scene, "/replay"), since, 202) == {"events": MAX_REPLAY, "remaining": 3}
    page = scene.ask("GET", path(scene, "/dead-letters"))["_embedded"]["dead_letters"]
    assert ["replayed_at" in each for each in page[:5]] == [False, False, False, True, True]
    assert scene.ask("POST", path(scene, "/replay"), since, 202) == {"events": 3}
    assert scene.ask("POST", path(scene, "/replay"), since, 202) == {"events": 0}
    assert scene.endpoint()["dead_letters"] == 2


def test_a_range_of_a_log_is_sent_again(scene: Scene) -> None:
    cid = scene.conversation()
    last = [scene.text(cid, f"text {number}") for number in range(5)][-1]
    arrives(scene, cid, last)
    before = len(scene.receiver.requests())
    body = {"conversation_id": cid, "start_id": 2, "end_id": 4}
    assert scene.ask("POST", path(scene, "/replay"), body, 202) == {"events": 3}
    scene.receiver.until(lambda r: len(r) >= before + 3, "they come again")
    assert [each.event["id"] for each in scene.receiver.requests(before)] == [2, 3, 4]


def test_what_is_no_range_of_a_log_of_this_application_is_refused(scene: Scene) -> None:
    stranger = scene.server.application()
    theirs = scene.server.request("POST", "/v1/conversations", {}, token=stranger.token()).body["id"]
    for unknown in (theirs, "CON-nowhere"):
        answer = scene.ask("POST", path(scene, "/replay"), {"conversation_id": unknown}, 404)
        assert answer["code"] == "conversation:error:not-found"
    cid = scene.conversation()
    for wrong in ({"conversation_id": cid, "start_id": 4, "end_id": 2}, {"conversation_id": "CON-\0"}):
        assert scene.ask("POST", path(scene, "/replay"), wrong, 400)["code"] == "http:error:validation-fail"
    scene.ask("GET", path(scene, "/attempts?webhook_id=%00"), status=400)


def test_an_example_is_sent_on_request_and_the_answer_tells_what_came_of_it(scene: Scene) -> None:
    told = scene.ask("POST", path(scene, "/test"), {"type": "member:joined"})
    assert (told["status"], told["event_type"]) == (200, "member:joined")
    [request] = scene.receiver.requests()
    assert request.event["params"] == {"test": True}
    validate_event(request.body, Sink.WEBHOOK)
    scene.receiver.behave("hangup")
    assert "error" in scene.ask("POST", path(scene, "/test"), {})


def test_a_get_webhook_has_the_event_in_its_query(scene: Scene) -> None:
    scene.point_at(scene.receiver.url + "?tenant=7", method="GET")
    cid = scene.conversation()
    event_id = scene.text(cid, "hello")
    found = scene.receiver.until(lambda r: any(f"&id={event_id}&" in each.query for each in r), "it is told")[-1]
    fields = {name: values[0] for name, values in parse_qs(found.query).items()}
    assert (found.method, found.body, fields["tenant"], fields["type"]) == ("GET", b"", "7", "text")
    assert msgspec.json.decode(fields["body"]) == {"text": "hello"}


def test_a_conversation_tells_its_callback_what_its_mask_names(scene: Scene, receiver: Receiver) -> None:
    callback = {"url": f"{receiver.url}/callback", "event_mask": "text member:*", "params": {"tenant": 7}}
    cid = scene.conversation(callback=callback)
    scene.ask("POST", f"/v1/conversations/{cid}/events", {"type": "custom:order", "body": {"n": 1}}, 201)
    last = scene.text(cid, "hello")

    def told(requests: list[Received]) -> list[Received]:
        return [each for each in requests if each.path == "/hook/callback"]

    found = told(receiver.until(lambda r: any(each.event["id"] == last for each in told(r)), "the callback is told"))
    assert [each.event["type"] for each in found] == ["member:joined", "text"]
    assert all(each.event["params"] == {"tenant": 7} for each in found)


def test_a_callback_with_get_has_each_event_in_its_query_in_the_order_of_the_log(scene: Scene) -> None:
    callback = {"url": f"{scene.receiver.url}/callback?tenant=7", "method": "GET", "params": {"room": "blue"}}
    cid = scene.conversation(callback=callback)
    last = [scene.text(cid, f"smörgåsbord {number}") for number in range(3)][-1]

    def told(requests: list[Received]) -> list[Received]:
        return [each for each in requests if each.path == "/hook/callback"]

    found = told(scene.receiver.until(lambda r: len(told(r)) >= last, "the callback is told"))
    queries = [{name: values[0] for name, values in parse_qs(each.query).items()} for each in found]
    assert [(each.method, each.body, each.id) for each in found] == [
        ("GET", b"", f"{cid}_{event_id}") for event_id in range(1, last + 1)
    ]
    assert [int(each["id"]) for each in queries] == list(range(1, last + 1))
    assert {(each["tenant"], each["conversation_id"], each["params"]) for each in queries} == {
        ("7", cid, '{"room":"blue"}')
    }
    assert [msgspec.json.decode(each["body"])["text"] for each in queries[1:]] == [
        f"smörgåsbord {number}" for number in range(3)
    ]


def test_a_callback_is_sent_the_signals_that_its_mask_names_and_no_others(scene: Scene) -> None:
    masks = {"typing": "text:typing:on", "neither": "text", "ephemeral": "ephemeral member:joined", "all": ""}
    token = scene.application.token("alice")

    def told(requests: list[Received], path: str) -> list[str]:
        return [each.event["type"] for each in requests if each.path == path and each.event["type"] in SIGNALS]

    sent = 0
    for name, mask in masks.items():
        cid = scene.conversation(callback={"url": f"{scene.receiver.url}/{name}", "event_mask": mask})
        for type_ in SIGNALS:
            answer = scene.server.request(
                "POST", f"/v1/conversations/{cid}/events", {"type": type_, "body": {}}, token=token
            )
            assert answer.status in (200, 201), answer
            sent += 1
            # The application's URL hears of each before the callback does; one at a time, none is dropped.
            scene.receiver.until(lambda r, n=sent: len(told(r, "/hook")) == n, "the application is told")
    found = scene.receiver.until(
        lambda r: (
            all(told(r, f"/hook/{name}") for name in masks if name != "neither")
            and len(told(r, "/hook/all")) == len(SIGNALS)
        ),
        "who wants signals has them",
    )
    # Signals are in no order.
    assert {name: sorted(told(found, f"/hook/{name}")) for name in masks} == {
        "typing": ["text:typing:on"],
        "neither": [],
        "ephemeral": ["ephemeral"],
        "all": sorted(SIGNALS),
    }


def test_endpoints_are_listed_page_by_page_the_oldest_first(scene: Scene, receiver: Receiver) -> None:
    callbacks = [scene.conversation(callback={"url": f"{receiver.url}/{number}"}) for number in range(4)]
    listed: list[str] = []
    query = "?page_size=2"
    while query:
        page = scene.ask("GET", f"/v1/webhooks{query}")
        assert 1 <= len(page["_embedded"]["endpoints"]) <= 2
        listed += [each["id"] for each in page["_embedded"]["endpoints"]]
        query = f"?page_size=2&cursor={page['cursor']}" if "cursor" in page else ""
    assert listed == [scene.application.id, *callbacks]
    wrong = scene.ask("GET", "/v1/webhooks?cursor=00", status=400)
    assert wrong["code"] == "paginator-builder:error:invalid-cursor"


def test_another_applications_endpoint_does_not_exist(scene: Scene) -> None:
    stranger = scene.server.application()
    answer = scene.server.request("GET", path(scene), token=stranger.token())
    assert (answer.status, answer.body["code"]) == (404, "webhook:error:not-found")
    assert scene.server.request("GET", path(scene), token=scene.application.token("alice")).status in (401, 403)
