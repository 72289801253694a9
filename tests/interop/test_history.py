"""The history handler of the platform's documentation, run as apps have it, on a conversation's whole life."""

from __future__ import annotations

import asyncio

from .clients import Nexmo
from .conftest import World


async def life(alice: Nexmo, bob: Nexmo) -> str:
    """A conversation in which everything happened that the documented handler knows, and more."""
    cid: str = (await alice.application("newConversation", {"display_name": "Tea"}))["id"]
    await alice.conversation(cid, "join")
    await alice.conversation(cid, "invite", {"user_name": "bob"})
    await bob.emits("member:invited", source="application")
    await bob.conversation(cid, "join")
    await alice.emits("member:joined", lambda told: told.args[0]["userName"] == "bob", source="conversation", cid=cid)
    await bob.emits("member:joined", source="conversation", cid=cid)
    text = await alice.conversation(cid, "sendText", "hello")
    await alice.emits("text:delivered", source="conversation", cid=cid)
    await bob.event(cid, text["id"], "seen")
    await alice.emits("text:seen", source="conversation", cid=cid)
    await bob.conversation(cid, "startTyping")
    await alice.emits("text:typing:on", source="conversation", cid=cid)
    reply = await bob.conversation(cid, "sendText", "hi")
    await bob.hears("text:delivered", lambda payload: payload["body"]["event_id"] == reply["id"], cid=cid)
    await alice.emits("text", lambda told: told.args[1]["id"] == reply["id"], source="conversation", cid=cid)
    await bob.conversation(cid, "sendCustomEvent", {"type": "wave", "body": {}})
    await alice.emits("wave", source="conversation", cid=cid)
    await bob.conversation(cid, "leave")
    await alice.emits("member:left", source="conversation", cid=cid)
    return cid


LOG = [
    "member:joined",
    "member:invited",
    "member:joined",
    "text",
    "text:delivered",
    "text:seen",
    "text",
    "text:delivered",
    "custom:wave",
    "member:left",
]


async def test_the_log_of_such_a_life_holds_exactly_its_events(world: World) -> None:
    alice, bob = await asyncio.gather(world.nexmo("alice"), world.nexmo("bob"))
    cid = await life(alice, bob)
    log = world.log(cid)
    assert [event["type"] for event in log] == LOG
    assert [event["id"] for event in log] == list(range(1, len(LOG) + 1))


# nexmo-client 9.5.1 knows the members that it asked for, and itself; the first generation's GET lists them all.
WITH_MEMBERS = "v0.1"


async def shown(client: Nexmo, cid: str) -> list[tuple[str, str]]:
    """What reached the switch, and what came out of it. Nothing may have missed it but for want of its sender."""
    history = await client.host.run("documentedHistory", {"cid": cid})
    # In 9.5.1 members is a Map: the documentation's `members[event.from]` finds nobody, on any server.
    assert history["byIndex"] == 0
    return [(line["type"], line["shown"]) for line in history["reached"]]


async def test_the_documented_handler_shows_exactly_what_happened_live(world: World, host: str) -> None:
    alice, bob = await asyncio.gather(world.nexmo("alice", host=host), world.nexmo("bob"))
    cid = await life(alice, bob)
    # Receipts are not among `conversation.events`: the SDK has marked their targets instead.
    assert await shown(alice, cid) == [
        ("member:joined", "alice joined"),
        ("member:invited", "alice was invited"),  # `from` is who acted: the documented handler names the inviter
        ("text", "alice: hello"),
    ]
    await alice.application("getConversation", cid, WITH_MEMBERS)
    assert await shown(alice, cid) == [
        ("member:joined", "alice joined"),
        ("member:invited", "alice was invited"),
        ("member:joined", "bob joined"),
        ("text", "alice: hello"),
        ("text", "bob: hi"),
        ("wave", "bob: wave"),
        ("member:left", "bob left"),
    ]


async def test_the_documented_handler_shows_the_whole_log_of_a_synchronised_conversation(
    world: World, host: str
) -> None:
    alice, bob = await asyncio.gather(world.nexmo("alice"), world.nexmo("bob"))
    cid = await life(alice, bob)
    later = await world.nexmo("alice", host=host, sync="full", events_page_config={"page_size": 100, "order": "asc"})
    await later.application("getConversation", cid, WITH_MEMBERS)
    assert await shown(later, cid) == [
        ("member:joined", "alice joined"),
        ("member:invited", "alice was invited"),
        ("member:joined", "bob joined"),
        ("text", "alice: hello"),
        ("text:delivered", "text:delivered of 4"),
        ("text:seen", "text:seen of 4"),
        ("text", "bob: hi"),
        ("text:delivered", "text:delivered of 7"),
        ("wave", "bob: wave"),
        ("member:left", "bob left"),
    ]


async def test_every_page_together_is_the_whole_log_in_order(world: World) -> None:
    alice, bob = await asyncio.gather(world.nexmo("alice"), world.nexmo("bob"))
    cid = await life(alice, bob)
    pages = await alice.host.run("wholeHistory", {"cid": cid, "params": {"page_size": 3, "order": "asc"}})
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    # The SDK shows apps a custom type without its prefix.
    assert [item["type"] for page in pages for item in page] == [type_.removeprefix("custom:") for type_ in LOG]
