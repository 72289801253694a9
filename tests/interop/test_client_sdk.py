"""``@vonage/client-sdk`` 2.3.1: two of them talk, in Node and in Chromium, by their documented calls."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from .clients import Chat, SdkError
from .conftest import World

# What is called → the kind that the other is called back with, and the body it reads
MESSAGES: dict[str, tuple[list[Any], str, dict[str, Any]]] = {
    "sendMessageTextEvent": (["What do you say to tea?"], "message:text", {"text": "What do you say to tea?"}),
    "sendMessageImageEvent": (
        ["https://example.com/tea.png"],
        "message:image",
        {"imageUrl": "https://example.com/tea.png"},
    ),
    "sendMessageVideoEvent": (
        ["https://example.com/tea.mp4"],
        "message:video",
        {"videoUrl": "https://example.com/tea.mp4"},
    ),
    "sendMessageAudioEvent": (
        ["https://example.com/tea.mp3"],
        "message:audio",
        {"audioUrl": "https://example.com/tea.mp3"},
    ),
    "sendMessageFileEvent": (
        ["https://example.com/tea.pdf"],
        "message:file",
        {"fileUrl": "https://example.com/tea.pdf"},
    ),
    "sendMessageVCardEvent": (
        ["https://example.com/bob.vcf"],
        "message:vcard",
        {"vcardUrl": "https://example.com/bob.vcf"},
    ),
    "sendMessageCustomEvent": ([{"sugar": 2}], "message:custom", {"customData": {"sugar": 2}}),
    "sendMessageLocationEvent": (
        [{"longitude": "-0.08", "latitude": "51.51", "name": "Pier", "address": "Tower Hill"}],
        "message:location",
        {"location": {"longitude": "-0.08", "latitude": "51.51", "name": "Pier", "address": "Tower Hill"}},
    ),
    "sendMessageTemplateEvent": (
        [{"name": "tea", "parameters": ["at five"]}, {"policy": "deterministic", "locale": "en-GB"}],
        "message:template",
        {
            "template": {"name": "tea", "parameters": ["at five"]},
            "whatsapp": {"policy": "deterministic", "locale": "en-GB"},
        },
    ),
}


@pytest_asyncio.fixture(loop_scope="session")
async def both(world: World, host: str) -> list[Chat]:
    return await asyncio.gather(world.chat("alice", host=host), world.chat("bob", host=host))


@pytest.fixture
def alice(both: list[Chat]) -> Chat:
    return both[0]


@pytest.fixture
def bob(both: list[Chat]) -> Chat:
    return both[1]


async def meet(alice: Chat, bob: Chat) -> str:
    """A conversation that both have joined, made as an app makes one."""
    cid: str = await alice.client("createConversation", {"displayName": "Tea"})
    await alice.client("joinConversation", cid)
    await alice.client("inviteToConversation", cid, "bob")
    await bob.gets("member:invited", cid=cid)
    await bob.client("joinConversation", cid)
    await alice.gets("member:joined", lambda event: event["body"]["user"]["name"] == "bob", cid=cid)
    return cid


async def test_one_creates_and_the_other_is_invited_and_accepts(alice: Chat, bob: Chat) -> None:
    cid = await alice.client("createConversation", {"name": "tea", "displayName": "Tea"})
    mine = await alice.client("joinConversation", cid)
    joined = await alice.gets("member:joined", cid=cid)
    assert joined["body"]["memberId"] == mine
    invited_id = await alice.client("inviteToConversation", cid, "bob")
    invited = await bob.gets("member:invited", cid=cid)
    assert invited["body"]["memberId"] == invited_id
    assert invited["from"]["user"]["name"] == "alice"
    assert await bob.client("joinConversation", cid) == invited_id
    theirs = await bob.client("getConversation", cid)
    assert (theirs["memberId"], theirs["memberState"]) == (invited_id, "JOINED")
    assert (theirs["name"], theirs["displayName"]) == ("tea", "Tea")
    page = await alice.client("getConversationMembers", cid)
    assert {(m["user"]["name"], m["state"]) for m in page["members"]} == {("alice", "JOINED"), ("bob", "JOINED")}


async def test_a_member_leaves(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await bob.client("leaveConversation", cid)
    left = await alice.gets("member:left", cid=cid)
    assert left["body"]["user"]["name"] == "bob"
    with pytest.raises(SdkError):
        await bob.client("sendMessageTextEvent", cid, "still here?")


async def test_a_member_is_kicked_and_hears_nothing_more(world: World, alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    member = (await bob.client("getConversation", cid))["memberId"]
    reply = world.rest(
        "PATCH",
        f"/v1/conversations/{cid}/members/{member}",
        {"state": "left", "reason": {"code": "1", "text": "rude"}},
    )
    assert reply.status == 200
    left = await bob.gets("member:left", cid=cid)
    assert left["body"]["memberId"] == member
    await alice.client("sendMessageTextEvent", cid, "alone at last")
    await alice.gets("message:text", cid=cid)
    await meet(alice, bob)
    assert bob.events("message:text", cid) == []


async def test_a_text_is_delivered_and_seen(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await alice.client("sendMessageTextEvent", cid, "hello")
    got = await bob.gets("message:text", cid=cid)
    assert (got["body"]["text"], got["from"]["user"]["name"]) == ("hello", "alice")
    # Its own message comes back to the sender, which is the only way it shows.
    assert (await alice.gets("message:text", cid=cid))["id"] == got["id"]
    # Its client says by itself that it was delivered. A `seen` that overtakes that says so too, and leaves it a repeat.
    delivered = await alice.gets("message:delivered", cid=cid)
    await bob.client("sendMessageSeenEvent", got["id"], cid)
    seen = await alice.gets("message:seen", cid=cid)
    for receipt in (delivered, seen):
        assert (receipt["body"]["eventId"], receipt["from"]["user"]["name"]) == (got["id"], "bob")
    page = await alice.client("getConversationEvents", cid, {"eventFilter": ["message"]})
    [text] = page["events"]
    assert text["kind"] == "message:text"
    assert str(bob_member(page)) in str(text["memberStatuses"])


def bob_member(page: dict[str, Any]) -> str:
    """The only member that a history's only message has a status of."""
    [member] = page["events"][0]["memberStatuses"]
    return str(member)


async def test_a_message_of_each_kind_arrives_and_is_in_the_history(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    for method, (arguments, kind, body) in MESSAGES.items():
        await alice.client(method, cid, *arguments)
        got = await bob.gets(kind, cid=cid)
        assert {key: got["body"][key] for key in body} == body
    page = await bob.client("getConversationEvents", cid, {"eventFilter": ["message"], "pageSize": 100})
    kept = {event["kind"]: event["body"] for event in page["events"]}
    for _, kind, body in MESSAGES.values():
        assert {key: kept[kind][key] for key in body} == body


async def test_an_ephemeral_event_arrives_and_is_not_kept(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await alice.client("sendEphemeralEvent", cid, {"typing": True})
    assert (await bob.gets("ephemeral", cid=cid))["body"] == {"typing": True}
    page = await bob.client("getConversationEvents", cid)
    assert {event["kind"] for event in page["events"]} == {"member:joined", "member:invited"}


async def test_a_custom_event_arrives_and_is_kept(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await alice.client("sendCustomEvent", cid, "poll", {"ask": "milk?"})
    got = await bob.gets("custom", cid=cid)
    assert (got["eventType"], got["body"]) == ("custom:poll", {"ask": "milk?"})
    page = await bob.client("getConversationEvents", cid, {"eventFilter": ["custom:poll"]})
    assert [event["id"] for event in page["events"]] == [got["id"]]


async def test_a_deleted_message_is_blank_everywhere(world: World, alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await alice.client("sendMessageTextEvent", cid, "delete me")
    got = await alice.gets("message:text", cid=cid)
    await alice.client("deleteEvent", got["id"], cid)
    gone = await bob.gets("event:delete", cid=cid)
    assert gone["body"]["eventId"] == got["id"]
    page = await bob.client("getConversationEvents", cid, {"includeDeletedEvents": True, "eventFilter": ["message"]})
    [text] = page["events"]
    assert text["body"]["text"] == ""
    assert text["body"]["deleted"]
    page = await bob.client("getConversationEvents", cid, {"eventFilter": ["message"]})
    assert page["events"] == []
    assert "delete me" not in str(world.log(cid))


async def test_a_history_is_paged_both_ways(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    for number in range(12):
        await alice.client("sendMessageTextEvent", cid, f"text {number}")
    wanted: dict[str, Any] = {"eventFilter": ["message"], "pageSize": 5, "order": "desc"}

    async def page(cursor: str | None) -> tuple[list[str], dict[str, Any]]:
        found = await bob.client("getConversationEvents", cid, {**wanted, "cursor": cursor})
        return [event["body"]["text"] for event in found["events"]], found

    newest, first = await page(None)
    assert newest == [f"text {n}" for n in (11, 10, 9, 8, 7)]
    older, second = await page(first["nextCursor"])
    assert older == [f"text {n}" for n in (6, 5, 4, 3, 2)]
    oldest, third = await page(second["nextCursor"])
    assert oldest == ["text 1", "text 0"]
    assert third["nextCursor"] is None
    assert (await page(third["previousCursor"]))[0] == older
    assert (await page(second["previousCursor"]))[0] == newest
    assert first["previousCursor"] is None


async def test_conversations_are_listed_and_changed_and_deleted(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    page = await bob.client("getConversations", {"pageSize": 10, "order": "desc"})
    [listed] = page["conversations"]
    assert (listed["id"], listed["displayName"], listed["memberState"]) == (cid, "Tea", "JOINED")
    await alice.client("updateConversation", cid, {"displayName": "Coffee", "customData": {"beans": "arabica"}})
    changed = await bob.client("getConversation", cid)
    assert changed["displayName"] == "Coffee"
    await alice.client("deleteConversation", cid)
    with pytest.raises(SdkError) as refused:
        await bob.client("getConversation", cid)
    assert (refused.value.type, refused.value.code) == ("CS_ERROR", "conversation:error:not-found")


async def test_users_are_read(world: World, alice: Chat) -> None:
    assert world.rest("PATCH", f"/v1/users/{world.user('bob')}", {"display_name": "Bob"}).status == 200
    me = await alice.client("getUser", "me")
    assert (me["id"], me["name"]) == (world.user("alice"), "alice")
    assert (await alice.client("getUser", world.user("bob")))["displayName"] == "Bob"
    assert (await alice.client("getUser", "bob"))["id"] == world.user("bob")


async def test_a_refusal_reaches_the_app_with_its_code(alice: Chat, bob: Chat) -> None:
    cid = await meet(alice, bob)
    none = "CON-00000000-0000-4000-8000-000000000000"
    refusals: dict[str, tuple[str, list[Any]]] = {
        "http:error:validation-fail": ("sendMessageTextEvent", [cid, "x" * 2501]),
        "user:error:not-found": ("inviteToConversation", [cid, "nobody"]),
        "conversation:error:member-already-joined": ("joinConversation", [cid]),
        "conversation:error:not-found": ("getConversation", [none]),
        "event:error:not-found": ("deleteEvent", [9999, cid]),
    }
    for code, (method, arguments) in refusals.items():
        with pytest.raises(SdkError) as refused:
            await alice.client(method, *arguments)
        assert (refused.value.type, refused.value.code) == ("CS_ERROR", code)
