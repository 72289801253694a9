"""The history handler of the platform's documentation, run as apps have it, on a conversation's whole life."""

from __future__ import annotations

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
    await bob.emits("text:delivered", source="conversation", cid=cid)
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
    alice, bob = await world.nexmo("alice"), await world.nexmo("bob")
    cid = await life(alice, bob)
    log = world.log(cid)
    assert [event["type"] for event in log] == LOG
    assert [event["id"] for event in log] == list(range(1, len(LOG) + 1))


async def test_the_documented_handler_reaches_its_switch_with_exactly_the_stored_events(
    world: World, host: str
) -> None:
    alice, bob = await world.nexmo("alice", host=host), await world.nexmo("bob")
    cid = await life(alice, bob)
    history = await alice.host.run("documentedHistory", {"cid": cid})
    shown = [(line["type"], line["shown"]) for line in history["reached"]]
    assert history["missed"] == []
    assert shown == [
        ("member:joined", "alice joined"),
        ("member:invited", "alice was invited"),  # the documented handler names the actor: `from` is the inviter
        ("member:joined", "bob joined"),
        ("text", "alice: hello"),
        ("text:delivered", "text:delivered of 4"),
        ("text:seen", "text:seen of 4"),
        ("text", "bob: hi"),
        ("text:delivered", "text:delivered of 7"),
        ("custom:wave", "bob: custom:wave"),
        ("member:left", "bob left"),
    ]
    # In 9.5.1 members is a Map: the documentation's `members[event.from]` finds nobody, on any server.
    assert history["byIndex"] == 0


async def test_a_client_that_syncs_fully_shows_the_same_history(world: World) -> None:
    alice, bob = await world.nexmo("alice"), await world.nexmo("bob")
    cid = await life(alice, bob)
    live = await alice.host.run("documentedHistory", {"cid": cid})
    later = await world.nexmo("alice", sync="full", events_page_config={"page_size": 100, "order": "asc"})
    await later.open(cid)
    history = await later.host.run("documentedHistory", {"cid": cid})
    assert [line["type"] for line in history["reached"]] == [line["type"] for line in live["reached"]]


async def test_every_page_together_is_the_whole_log_in_order(world: World) -> None:
    alice, bob = await world.nexmo("alice"), await world.nexmo("bob")
    cid = await life(alice, bob)
    pages = await alice.host.run("wholeHistory", {"cid": cid, "params": {"page_size": 3, "order": "asc"}})
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert [item["type"] for page in pages for item in page] == LOG
