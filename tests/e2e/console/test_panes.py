"""Two people in one conversation, on one page."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Browser, expect

from tests.e2e.dev_server import DevServer, Scene

from .conftest import Console, opened


async def test_what_alice_writes_bob_reads(console: Console) -> None:
    await console.write("alice", "Shall we start at nine?")
    await expect(console.message("bob", "Shall we start at nine?")).to_be_visible()
    await expect(console.message("alice", "Shall we start at nine?")).to_have_count(1)
    await expect(console.input("alice")).to_have_value("")


async def test_a_message_is_delivered_at_once_and_seen_when_bob_looks(console: Console) -> None:
    await console.write("alice", "Are you there?")
    await console.tick("alice", "Are you there?", "Delivered")
    await expect(console.pane("bob").locator(".badge")).to_have_text("1 unread")
    await console.input("bob").click()
    await console.tick("alice", "Are you there?", "Seen")
    await expect(console.pane("bob").locator(".badge")).to_be_hidden()


async def test_alice_sees_that_bob_is_typing_and_that_he_has_stopped(console: Console) -> None:
    await console.input("bob").press_sequentially("On my w")
    typing = console.pane("alice").locator(".typing")
    await expect(typing).to_have_text("bob is typing")
    await expect(console.pane("bob").locator(".typing")).to_be_empty()
    await console.input("bob").press("Enter")
    await expect(typing).to_be_empty()
    await expect(console.message("alice", "On my w")).to_be_visible()


async def test_an_edit_is_read_on_both_sides(console: Console) -> None:
    await console.write("alice", "See yuo at nine")
    await console.tick("alice", "See yuo at nine", "Delivered")
    await console.input("alice").press("ArrowUp")
    await expect(console.input("alice")).to_have_value("See yuo at nine")
    await console.write("alice", "See you at nine")
    for name in ("alice", "bob"):
        await expect(console.message(name, "See you at nine")).to_contain_text("edited")
        await expect(console.message(name, "See yuo")).to_have_count(0)


async def test_a_deleted_message_is_gone_on_both_sides(console: Console) -> None:
    await console.write("alice", "Wrong window")
    mine = console.message("alice", "Wrong window")
    await mine.hover()
    await mine.get_by_role("button", name="Delete").click()
    for name in ("alice", "bob"):
        await expect(console.message(name, "Wrong window")).to_have_count(0)
        await expect(console.message(name, "Deleted")).to_be_visible()
    await expect(console.pane("bob").locator(".badge")).to_be_hidden()


async def test_bob_cannot_change_what_alice_wrote(console: Console) -> None:
    await console.write("alice", "Mine")
    theirs = console.message("bob", "Mine")
    await theirs.hover()
    await expect(theirs.get_by_role("button")).to_have_count(0)


async def test_a_picture_is_sent_shown_and_enlarged(console: Console, picture: Path) -> None:
    await console.page.get_by_label("Pictures to send as alice").set_input_files(picture)
    for name in ("alice", "bob"):
        shown = console.pane(name).get_by_role("img", name="Picture from alice")
        await expect(shown).to_be_visible()
        await expect(shown).to_have_js_property("naturalWidth", 160)  # the medium one: half the size
    await console.pane("bob").get_by_role("button", name="enlarge").click()
    large = console.page.get_by_role("dialog").get_by_role("img")
    await expect(large).to_have_js_property("naturalWidth", 320)
    await console.page.keyboard.press("Escape")
    await expect(large).to_be_hidden()


async def test_a_refused_message_stays_and_says_why(console: Console) -> None:
    await console.write("alice", "x" * 2501)
    alert = console.pane("alice").get_by_role("alert")
    await expect(alert).to_contain_text("2500")
    await expect(console.input("alice")).to_have_value("x" * 2501)
    await expect(console.pane("bob").locator(".message")).to_have_count(0)
    await console.write("alice", "Shorter")
    await expect(alert).to_be_empty()
    await expect(console.message("bob", "Shorter")).to_be_visible()
    console.troubles.clear()  # the browser notes the refused request as an error


async def test_who_was_offline_reads_everything_once_and_in_order(console: Console) -> None:
    await console.pane("bob").get_by_role("switch").click()
    await expect(console.pane("bob").locator(".status")).to_have_text("offline")
    for text in ("one", "two", "three"):
        await console.write("alice", text)
        await console.tick("alice", text, "Sent")
    await expect(console.pane("bob").locator(".message")).to_have_count(0)
    await console.pane("bob").get_by_role("switch").click()
    await expect(console.pane("bob").locator(".message .body")).to_have_text(["one", "two", "three"])
    await console.tick("alice", "three", "Seen")


async def test_a_reload_shows_what_there_was(console: Console) -> None:
    await console.write("alice", "Kept")
    await console.write("alice", "Chnged")
    await console.tick("alice", "Chnged", "Delivered")
    await console.input("alice").press("ArrowUp")
    await console.write("alice", "Changed")
    await console.input("bob").click()
    await console.tick("alice", "Changed", "Seen")
    await console.open()
    await expect(console.pane("alice").locator(".message .body")).to_have_text(["Kept", "Changed"])
    await expect(console.message("bob", "Changed")).to_contain_text("edited")
    await console.tick("alice", "Kept", "Seen")
    await expect(console.pane("bob").locator(".badge")).to_be_hidden()


async def test_old_messages_are_found_behind_many_other_events(console: Console, scene: Scene) -> None:
    def post(type_: str, body: dict[str, object]) -> None:
        event = {"type": type_, "from": scene.member_id, "body": body}
        assert scene.server.request("POST", f"{scene.path}/events", event, token=scene.token).status == 201

    for number in range(60):
        post("text", {"text": f"text {number}"})
    for number in range(60):
        post("custom:other", {"number": number})
    await console.open()
    await expect(console.pane("bob").locator(".message .body")).to_have_text([f"text {n}" for n in range(10, 60)])
    await console.pane("bob").get_by_role("button", name="Earlier messages").click()
    await expect(console.pane("bob").locator(".message .body")).to_have_text([f"text {n}" for n in range(60)])
    await expect(console.pane("bob").get_by_role("button", name="Earlier messages")).to_be_hidden()
    await expect(console.pane("bob").locator(".note")).to_have_text(["Alice joined", "Bob joined"])


async def test_a_killed_server_costs_neither_pane_a_message(mortal: DevServer, chromium: Browser) -> None:
    async with opened(chromium, mortal.url) as console:
        await console.write("alice", "before")
        await expect(console.message("bob", "before")).to_be_visible()
        mortal.kill()
        await expect(console.pane("bob").locator(".status")).to_contain_text("reconnecting")
        mortal.restart()
        for name in ("alice", "bob"):
            await expect(console.pane(name).locator(".status")).to_have_text("online")
        await console.write("alice", "after")
        await expect(console.pane("bob").locator(".message .body")).to_have_text(["before", "after"])
        await expect(console.rows("text")).to_have_count(2)
        console.troubles.clear()  # the browser notes every attempt while there was no server
