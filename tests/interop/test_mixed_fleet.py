"""One conversation, two generations of clients: what one SDK sends the other reads, live and in history."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio

from .clients import Chat, Nexmo
from .conftest import World


@pytest_asyncio.fixture(loop_scope="session")
async def both(world: World, host: str) -> tuple[Nexmo, Chat]:
    return await asyncio.gather(world.nexmo("alice", host=host), world.chat("bob", host=host))


@pytest.fixture
def alice(both: tuple[Nexmo, Chat]) -> Nexmo:
    return both[0]


@pytest.fixture
def bob(both: tuple[Nexmo, Chat]) -> Chat:
    return both[1]


async def meet(alice: Nexmo, bob: Chat) -> str:
    """A conversation of both, invited across generations."""
    cid: str = (await alice.application("newConversation", {"display_name": "Tea"}))["id"]
    await alice.conversation(cid, "join")
    await alice.conversation(cid, "invite", {"user_name": "bob"})
    await bob.gets("member:invited", cid=cid)
    await bob.client("joinConversation", cid)
    await alice.emits("member:joined", lambda told: told.args[0]["userName"] == "bob", source="conversation", cid=cid)
    return cid


async def test_an_invitation_crosses_the_other_way(alice: Nexmo, bob: Chat) -> None:
    cid = await bob.client("createConversation", {"displayName": "Tea"})
    await bob.client("joinConversation", cid)
    member = await bob.client("inviteToConversation", cid, "alice")
    await alice.emits("member:invited", source="application")
    assert (await alice.conversation(cid, "join"))["id"] == member
    await bob.gets("member:joined", lambda event: event["body"]["memberId"] == member, cid=cid)


async def test_a_text_of_the_older_sdk_is_a_message_to_the_newer_with_receipts_back(alice: Nexmo, bob: Chat) -> None:
    cid = await meet(alice, bob)
    sent = await alice.conversation(cid, "sendText", "hello")
    got = await bob.gets("message:text", cid=cid)
    assert (got["id"], got["body"]["text"], got["from"]["user"]["name"]) == (sent["id"], "hello", "alice")
    # @vonage/client-sdk posts message:delivered by itself; nexmo-client hears it as a receipt of a text.
    delivered = await alice.emits("text:delivered", source="conversation", cid=cid)
    assert delivered.args[1]["id"] == sent["id"]
    await bob.client("sendMessageSeenEvent", sent["id"], cid)
    seen = await alice.emits("text:seen", source="conversation", cid=cid)
    assert len(seen.args[1]["state"]["seen_by"]) == 1


async def test_a_message_of_the_newer_sdk_is_a_text_to_the_older_with_receipts_back(alice: Nexmo, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await bob.client("sendMessageTextEvent", cid, "hello")
    got = await alice.emits("text", source="conversation", cid=cid)
    assert got.args[1]["body"]["text"] == "hello"
    assert got.args[0]["userName"] == "bob"
    event_id = got.args[1]["id"]
    delivered = await bob.gets("message:delivered", lambda e: e["from"]["user"]["name"] == "alice", cid=cid)
    assert delivered["body"]["eventId"] == event_id
    await alice.event(cid, event_id, "seen")
    seen = await bob.gets("message:seen", cid=cid)
    assert seen["body"]["eventId"] == event_id


async def test_both_histories_tell_the_same_in_their_own_words(alice: Nexmo, bob: Chat) -> None:
    cid = await meet(alice, bob)
    first = await alice.conversation(cid, "sendText", "from the older")
    await bob.gets("message:text", lambda event: event["id"] == first["id"])
    await bob.client("sendMessageSeenEvent", first["id"], cid)
    await bob.client("sendMessageTextEvent", cid, "from the newer")
    second = await alice.emits(
        "text", lambda told: told.args[1]["body"]["text"] == "from the newer", source="conversation", cid=cid
    )
    await alice.event(cid, second.args[1]["id"], "seen")
    await bob.gets("message:seen", lambda event: event["body"]["eventId"] == second.args[1]["id"])

    older = await alice.conversation(cid, "getEvents", {"page_size": 100})
    classic = {item["id"]: item for item in older["items"].values()}
    newer = await bob.client("getConversationEvents", cid, {"pageSize": 100})
    chat = {item["id"]: item for item in newer["events"]}
    both = {first["id"]: "from the older", second.args[1]["id"]: "from the newer"}
    for event_id, words in both.items():
        assert classic[event_id]["body"]["text"] == words
        assert len(classic[event_id]["state"]["seen_by"]) == 1
        assert (chat[event_id]["kind"], chat[event_id]["body"]["text"]) == ("message:text", words)
        assert len(chat[event_id]["memberStatuses"]) == 1
    # The whole log is the older SDK's, without a gap; the newer reads those of its vocabulary.
    assert sorted(classic) == list(range(1, len(classic) + 1))
    assert {item["kind"] for item in chat.values()} == {"member:joined", "member:invited", "message:text"}


async def test_a_picture_crosses_to_the_newer_sdk(alice: Nexmo, bob: Chat, picture: bytes, world: World) -> None:
    cid = await meet(alice, bob)
    await alice.send_image(cid, picture)
    got = await bob.gets("message:image", cid=cid)
    url: str = got["body"]["imageUrl"]
    # A browser shows it by its URL alone: no header goes with an <img>.
    reply = world.server.request("GET", url.removeprefix(world.url))
    assert reply.status == 200
    assert reply.body.startswith((b"\x89PNG", b"\xff\xd8"))


async def test_custom_and_ephemeral_events_cross_both_ways(alice: Nexmo, bob: Chat) -> None:
    cid = await meet(alice, bob)
    await alice.conversation(cid, "sendCustomEvent", {"type": "poll", "body": {"ask": 1}})
    assert (await bob.gets("custom", cid=cid))["body"] == {"ask": 1}
    await bob.client("sendCustomEvent", cid, "poll", {"ask": 2})
    await alice.emits("poll", lambda told: told.args[1]["body"] == {"ask": 2}, source="conversation", cid=cid)
    await alice.conversation(cid, "sendEphemeralEvent", {"steam": 1})
    assert (await bob.gets("ephemeral", cid=cid))["body"] == {"steam": 1}
    await bob.client("sendEphemeralEvent", cid, {"steam": 2})
    await alice.emits("ephemeral", lambda told: told.args[1]["body"] == {"steam": 2}, source="conversation", cid=cid)


async def test_a_deletion_crosses_both_ways(alice: Nexmo, bob: Chat) -> None:
    cid = await meet(alice, bob)
    first = await alice.conversation(cid, "sendText", "one")
    await bob.client("sendMessageTextEvent", cid, "two")
    second = await alice.emits("text", lambda told: told.args[1]["body"]["text"] == "two", source="conversation")
    await alice.event(cid, first["id"], "del")
    assert (await bob.gets("event:delete", cid=cid))["body"]["eventId"] == first["id"]
    await bob.client("deleteEvent", second.args[1]["id"], cid)
    gone = await alice.emits("event:delete", lambda told: told.args[1]["id"] == second.args[1]["id"])
    assert gone.args[1]["body"]["text"] == ""


async def test_a_member_leaves_and_both_generations_hear_it(alice: Nexmo, bob: Chat, world: World) -> None:
    cid = await meet(alice, bob)
    await bob.client("leaveConversation", cid)
    left = await alice.emits("member:left", source="conversation", cid=cid)
    assert left.args[0]["userName"] == "bob"
    await alice.conversation(cid, "leave")
    assert [event["type"] for event in world.log(cid)][-2:] == ["member:left", "member:left"]


async def test_one_user_has_a_session_of_each_generation(alice: Nexmo, bob: Chat, world: World, host: str) -> None:
    cid = await meet(alice, bob)
    second = await world.chat("alice", host=host)
    await bob.client("sendMessageTextEvent", cid, "to both of you")
    on_first = await alice.emits("text", source="conversation", cid=cid)
    on_second = await second.gets("message:text", cid=cid)
    assert on_first.args[1]["id"] == on_second["id"]
    # What one of the sessions sends, the other shows.
    await second.client("sendMessageTextEvent", cid, "from my other client")
    await alice.emits("text", lambda t: t.args[1]["body"]["text"] == "from my other client", source="conversation")
