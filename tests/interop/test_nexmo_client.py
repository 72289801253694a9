"""``nexmo-client`` 9.5.1: two of them talk, in Node and in Chromium, by their documented calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from .clients import Nexmo, SdkError, Told
from .conftest import World

MESSAGES = {
    "text": {"message_type": "text", "text": "What do you say to tea?"},
    "image": {"message_type": "image", "image": {"url": "https://example.com/tea.png", "caption": "tea"}},
    "audio": {"message_type": "audio", "audio": {"url": "https://example.com/kettle.mp3"}},
    "video": {"message_type": "video", "video": {"url": "https://example.com/kettle.mp4"}},
    "file": {"message_type": "file", "file": {"url": "https://example.com/tea.pdf"}},
    "template": {
        "message_type": "template",
        "template": {"name": "tea", "parameters": ["at five"]},
        "whatsapp": {"policy": "deterministic", "locale": "en-GB"},
    },
    "custom": {"message_type": "custom", "custom": {"sugar": 2}},
    "vcard": {"message_type": "vcard", "vcard": {"url": "https://example.com/alice.vcf"}},
    "location": {"message_type": "location", "location": {"longitude": "-0.08", "latitude": "51.51", "name": "Pier"}},
    "random": {"message_type": "random", "random": {"seed": 4}},
}


@pytest_asyncio.fixture(loop_scope="session")
async def both(world: World, host: str) -> list[Nexmo]:
    return await asyncio.gather(world.nexmo("alice", host=host), world.nexmo("bob", host=host))


@pytest.fixture
def alice(both: list[Nexmo]) -> Nexmo:
    return both[0]


@pytest.fixture
def bob(both: list[Nexmo]) -> Nexmo:
    return both[1]


async def meet(alice: Nexmo, bob: Nexmo) -> str:
    """A conversation that both have joined, made as an app makes one."""
    cid: str = (await alice.application("newConversation", {"display_name": "Tea"}))["id"]
    await alice.conversation(cid, "join")
    await alice.conversation(cid, "invite", {"user_name": "bob"})
    await bob.emits("member:invited", lambda told: told.args[1]["cid"] == cid, source="application")
    await bob.conversation(cid, "join")
    await alice.emits("member:joined", lambda told: told.args[0]["userName"] == "bob", source="conversation", cid=cid)
    return cid


async def test_one_creates_and_the_other_is_invited_and_accepts(world: World, alice: Nexmo, bob: Nexmo) -> None:
    made = await alice.application("newConversation", {"display_name": "Tea", "name": "tea"})
    cid = made["id"]
    assert (made["name"], made["display_name"]) == ("tea", "Tea")
    mine = await alice.conversation(cid, "join")
    joined = await alice.emits("member:joined", source="conversation", cid=cid)
    assert joined.args[0]["memberId"] == mine["id"]

    await alice.conversation(cid, "invite", {"id": world.user("bob")})
    invited = await bob.emits("member:invited", source="application")
    assert invited.args[1]["cid"] == cid
    before = (await bob.state(cid))["me"]
    assert before["state"] == "INVITED"

    accepted = await bob.conversation(cid, "join")
    assert accepted["id"] == before["id"]
    heard = await alice.emits(
        "member:joined", lambda told: told.args[0]["userName"] == "bob", source="conversation", cid=cid
    )
    assert heard.args[0]["memberId"] == before["id"]
    page = await alice.conversation(cid, "getMembers")
    assert {item["state"] for item in page["items"].values()} == {"JOINED"}


async def test_an_invitation_is_declined(alice: Nexmo, bob: Nexmo) -> None:
    cid = (await alice.application("newConversation"))["id"]
    await alice.conversation(cid, "join")
    await alice.conversation(cid, "invite", {"user_name": "bob"})
    await bob.emits("member:invited", source="application")
    await bob.conversation(cid, "leave", {"reason_code": "busy", "reason_text": "not now"})
    left = await alice.emits("member:left", source="conversation", cid=cid)
    assert left.args[0]["userName"] == "bob"
    assert left.args[1]["body"]["reason"] == {"code": "busy", "text": "not now"}


async def test_a_member_leaves_and_is_invited_again(alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    await bob.conversation(cid, "leave")
    await alice.emits("member:left", source="conversation", cid=cid)
    await alice.conversation(cid, "invite", {"user_name": "bob"})
    await bob.record.until(lambda: len(bob.tells("member:invited", "application")) == 2, "the second invitation")
    await bob.conversation(cid, "join")
    await alice.conversation(cid, "sendText", "back again")
    assert (await bob.emits("text", source="conversation", cid=cid)).args[1]["body"]["text"] == "back again"


async def test_a_member_is_kicked_and_hears_nothing_more(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    member = world.member(cid, "bob")
    await alice.host.run("kick", {"cid": cid, "member": member, "reason": {"reason_code": "rude", "reason_text": ""}})
    await bob.emits("member:left", source="conversation", cid=cid)
    await alice.conversation(cid, "sendText", "alone at last")
    await alice.emits("text", source="conversation", cid=cid)
    with pytest.raises(SdkError) as refused:
        await bob.conversation(cid, "sendText", "hello?")
    assert refused.value.type == "event:error:not-joined"
    # Later events of another conversation have come, so what was to come of this one has come.
    await meet(alice, bob)
    assert bob.heard("text", cid=cid) == []


async def test_a_text_is_delivered_and_seen(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    sent = await alice.conversation(cid, "sendText", "hello")
    got = await bob.emits("text", source="conversation", cid=cid)
    sender, text = got.args
    assert (sender["userName"], text["id"], text["body"]["text"]) == ("alice", sent["id"], "hello")
    # The SDK receipts by itself; the sender's object of the text learns of it.
    delivered = await alice.emits("text:delivered", source="conversation", cid=cid)
    assert delivered.args[1]["id"] == sent["id"]
    await bob.event(cid, sent["id"], "seen")
    seen = await alice.emits("text:seen", source="conversation", cid=cid)
    member = world.member(cid, "bob")
    assert seen.args[1]["state"]["seen_by"].keys() == {member}
    assert seen.args[1]["state"]["delivered_to"].keys() == {member}


async def test_a_message_of_each_kind_arrives(alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    for body in MESSAGES.values():
        sent = await alice.conversation(cid, "sendMessage", body)

        def is_it(told: Told, id_: int = sent["id"]) -> bool:
            return told.args[1]["id"] == id_

        got = await bob.emits("message", is_it, source="conversation", cid=cid)
        assert got.args[1]["body"] == body
        await alice.emits("message:delivered", is_it, source="conversation", cid=cid)
        await bob.event(cid, sent["id"], "seen")
        await alice.emits("message:seen", is_it, source="conversation", cid=cid)


async def test_typing_is_seen_and_not_kept(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    assert await alice.conversation(cid, "startTyping") == "text:typing:on:success"
    on = await bob.emits("text:typing:on", source="conversation", cid=cid)
    assert on.args[0]["userName"] == "alice"
    await alice.conversation(cid, "stopTyping")
    await bob.emits("text:typing:off", source="conversation", cid=cid)
    assert not [event for event in world.log(cid) if "typing" in event["type"]]


async def test_a_custom_event_arrives_and_is_kept(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    sent = await alice.conversation(cid, "sendCustomEvent", {"type": "poll", "body": {"ask": "milk?"}})
    got = await bob.emits("poll", source="conversation", cid=cid)
    assert got.args[1]["body"] == {"ask": "milk?"}
    assert [(e["id"], e["body"]) for e in world.log(cid) if e["type"] == "custom:poll"] == [
        (sent["id"], {"ask": "milk?"})
    ]


async def test_an_ephemeral_event_arrives_and_is_not_kept(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    await alice.conversation(cid, "sendEphemeralEvent", {"steam": True})
    got = await bob.emits("ephemeral", source="conversation", cid=cid)
    assert got.args[1]["body"] == {"steam": True}
    assert not [event for event in world.log(cid) if event["type"] == "ephemeral"]


async def test_an_edited_text_reads_as_its_new_words(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    sent = await alice.conversation(cid, "sendText", "tee")
    member = world.member(cid, "alice")
    # No documented call of this SDK edits; other clients of its generation post this event.
    body = {"type": "text:update", "from": member, "body": {"text": "tea", "original_event_id": sent["id"]}}
    assert world.rest("POST", f"/beta/conversations/{cid}/events", body, user="alice").status == 200
    update = await bob.emits("text:update", source="conversation", cid=cid)
    assert update.args[1]["body"]["text"] == "tea"
    page = await bob.conversation(cid, "getEvents", {"event_type": "text"})
    [text] = page["items"].values()
    assert text["body"]["text"] == "tea"
    assert text["body"]["edited"]["edited_by"] == update.args[1]["id"]


async def test_a_deleted_text_is_blank_everywhere(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    sent = await alice.conversation(cid, "sendText", "delete me")
    await bob.emits("text", source="conversation", cid=cid)
    await alice.emits("text", source="conversation", cid=cid)
    await alice.event(cid, sent["id"], "del")
    gone = await bob.emits("event:delete", source="conversation", cid=cid)
    assert (gone.args[1]["id"], gone.args[1]["body"]["text"]) == (sent["id"], "")
    page = await bob.conversation(cid, "getEvents", {"event_type": "text"})
    [text] = page["items"].values()
    assert "deleted" in text["body"]["timestamp"]
    assert "delete me" not in str(world.log(cid))


async def test_a_picture_goes_up_and_comes_down_in_three_sizes(
    alice: Nexmo, bob: Nexmo, picture: bytes, world: World
) -> None:
    cid = await meet(alice, bob)
    answer = await alice.send_image(cid, picture)
    assert answer["status"] == 200
    got = await bob.emits("image", source="conversation", cid=cid)
    assert got.args[1]["body"]["representations"] == answer["answer"]
    await alice.emits("image:delivered", source="conversation", cid=cid)
    event_id = got.args[1]["id"]
    for kind in ("original", "medium", "thumbnail"):
        data: str = await bob.event(cid, event_id, "fetchImage", kind)
        # The SDK labels every picture so.
        assert data.startswith("data:image/jpeg;base64,")
        assert len(data) > 100
    await bob.event(cid, event_id, "seen")
    await alice.emits("image:seen", source="conversation", cid=cid)
    await alice.event(cid, event_id, "del")
    await bob.emits("event:delete", source="conversation", cid=cid)
    url = answer["answer"]["thumbnail"]["url"].removeprefix(world.url)
    assert world.rest("GET", url, user="bob").status == 404


async def test_an_upload_that_is_no_picture_is_refused(alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    answer = await alice.upload_image(cid, b"GIF89a, or so it says")
    assert answer["status"] == 400
    assert answer["answer"]["code"]


async def test_a_history_is_paged_both_ways(alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    for number in range(12):
        await alice.conversation(cid, "sendText", f"text {number}")
    await bob.record.until(lambda: len(bob.tells("text", "conversation", cid)) == 12, "all texts")

    async def texts(page: dict[str, Any] | None) -> list[str]:
        assert page is not None
        return [item["body"]["text"] for item in page["items"].values()]

    parameters = {"event_type": "text", "page_size": 5, "order": "desc"}
    page = await bob.conversation(cid, "getEvents", parameters)
    # The SDK keeps a page in a Map keyed by id, which JavaScript's objects then sort: the set is what counts.
    assert sorted(await texts(page)) == sorted(f"text {n}" for n in range(7, 12))
    turn = {"list": "getEvents", "way": "Next"}
    assert sorted(await texts(await bob.host.run("turn", turn))) == sorted(f"text {n}" for n in range(2, 7))
    assert sorted(await texts(await bob.host.run("turn", turn))) == ["text 0", "text 1"]
    assert await bob.host.run("turn", turn) is None
    back = {"list": "getEvents", "way": "Prev"}
    assert sorted(await texts(await bob.host.run("turn", back))) == sorted(f"text {n}" for n in range(2, 7))
    assert sorted(await texts(await bob.host.run("turn", back))) == sorted(f"text {n}" for n in range(7, 12))
    assert await bob.host.run("turn", back) is None


async def test_members_and_conversations_and_users_are_listed(world: World, alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    members = await alice.conversation(cid, "getMembers")
    assert {(item["user"]["name"], item["state"]) for item in members["items"].values()} == {
        ("alice", "JOINED"),
        ("bob", "JOINED"),
    }
    mine = await bob.conversation(cid, "getMyMember")
    assert mine["state"] == "JOINED"
    for number in range(11):
        cid = (await alice.application("newConversation", {"name": f"c{number}"}))["id"]
        await alice.conversation(cid, "join")
    page = await alice.application("getConversations", {"page_size": 10})
    names = [item["name"] for item in page["items"].values()]
    page = await alice.host.run("turn", {"list": "getConversations", "way": "Next"})
    names += [item["name"] for item in page["items"].values()]
    assert len(names) == len(set(names)) == 12
    user = await alice.application("getUser", world.user("bob"))
    assert user["name"] == "bob"


async def test_a_refusal_reaches_the_app_with_its_code(alice: Nexmo, bob: Nexmo) -> None:
    cid = await meet(alice, bob)
    refusals = {
        "text:too long": (alice.conversation(cid, "sendText", "x" * 2501), "http:error:validation-fail"),
        "unknown user": (alice.conversation(cid, "invite", {"user_name": "nobody"}), "user:error:not-found"),
        "joined twice": (alice.conversation(cid, "join"), "conversation:error:member-already-joined"),
        "unknown": (alice.open("CON-00000000-0000-4000-8000-000000000000"), "conversation:error:not-found"),
    }
    for what, (call, type_) in refusals.items():
        with pytest.raises(SdkError) as refused:
            await call
        assert refused.value.type == type_, what


async def test_duplicate_names_are_refused(alice: Nexmo) -> None:
    await alice.application("newConversation", {"name": "unique"})
    with pytest.raises(SdkError) as refused:
        await alice.application("newConversation", {"name": "unique"})
    assert refused.value.type == "conversation:error:duplicate-name"


async def test_a_conversation_is_deleted(world: World, alice: Nexmo, bob: Nexmo) -> None:
    # Joined over REST: after a `join` of its own the SDK asks for the conversation once more, waits for no answer, and
    # does not expect that it is gone.
    cid = world.rest("POST", "/v1/conversations", {}).body["id"]
    for name, client in (("alice", alice), ("bob", bob)):
        body = {"user": {"name": name}, "state": "joined", "channel": {"type": "app"}}
        assert world.rest("POST", f"/v1/conversations/{cid}/members", body).status == 201
        await client.emits("member:joined", lambda told: told.args[1]["cid"] == cid, source="application")
    await alice.conversation(cid, "del")
    with pytest.raises(SdkError) as refused:
        await bob.conversation(cid, "sendText", "anybody?")
    assert refused.value.type == "conversation:error:not-found"
    assert world.rest("GET", f"/v1/conversations/{cid}").status == 404
