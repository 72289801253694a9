"""For everybody: by keyboard, on a phone, in the dark, through a screen reader."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from .conftest import Console

# Text against what is behind it, composed through every translucent layer. WCAG 2.2, 1.4.3: 4.5 to 1.
CONTRAST = """selectors => {
  const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 })
  const context = canvas.getContext('2d', { willReadFrequently: true })
  const paint = (layers) => {
    context.clearRect(0, 0, 1, 1)
    for (const layer of layers) { context.fillStyle = layer; context.fillRect(0, 0, 1, 1) }
    return [...context.getImageData(0, 0, 1, 1).data]
  }
  const linear = (c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  const light = ([r, g, b]) => [r, g, b].reduce((sum, c, i) => sum + linear(c / 255) * [0.2126, 0.7152, 0.0722][i], 0)
  return selectors.map((selector) => {
    const found = document.querySelector(selector)
    if (!found) return [selector, 0]
    const behind = []
    for (let each = found; each; each = each.parentElement) behind.unshift(getComputedStyle(each).backgroundColor)
    const ground = paint(behind)
    const ink = paint([...behind, getComputedStyle(found).color])
    const [high, low] = [light(ink), light(ground)].sort((a, b) => b - a)
    return [selector, (high + 0.05) / (low + 0.05)]
  })
}"""
TEXTS = [
    "#hint span",
    "#hint b",
    ".status",
    ".avatar",
    ".mine .body",
    ".theirs .body",
    ".mine .meta time",
    ".note",
    "#count",
    ".row .id",
    ".row .type",
    ".row .from",
    ".row .words",
    ".row time",
    ".family .number",
    "#request-line",
    "footer p",
    ".j-string",
    ".j-key",
    ".j-number",
    ".where",
    "#receiver-title",
    ".segments label",
    ".segments label:has(:checked)",
    ".attempts time",
    ".attempts b",
    ".attempts .answer",
    ".sent .plain",
]


async def test_the_whole_page_works_by_keyboard_alone(console: Console) -> None:
    keyboard, page = console.page.keyboard, console.page
    await keyboard.press("a")
    await expect(console.input("alice")).to_be_focused()
    await keyboard.type("By kyes")
    await keyboard.press("Enter")
    await expect(console.message("bob", "By kyes")).to_be_visible()
    await keyboard.press("Escape")
    await expect(console.message("alice", "By kyes")).to_be_focused()
    await keyboard.press("e")
    await expect(console.input("alice")).to_be_focused()
    await keyboard.press("Control+a")
    await keyboard.type("By keys")
    await keyboard.press("Enter")
    await expect(console.message("bob", "By keys")).to_be_visible()
    await keyboard.type("a mistake")
    await keyboard.press("Enter")
    await expect(console.message("alice", "a mistake")).to_be_visible()
    await keyboard.press("Escape")
    await keyboard.press("ArrowDown")
    await expect(console.message("alice", "a mistake")).to_be_focused()
    await keyboard.press("Delete")
    await expect(console.message("bob", "Deleted")).to_be_visible()
    await keyboard.press("b")
    await expect(console.input("bob")).to_be_focused()
    await console.tick("alice", "By keys", "Seen")
    await keyboard.press("Escape")
    await keyboard.press("l")
    focused = page.locator(".event:focus")
    await expect(focused).to_have_count(1)
    await keyboard.press("Home")
    await expect(focused.locator(".type")).to_have_text("member:joined")
    await keyboard.press("ArrowDown")
    await keyboard.press("Enter")
    await expect(focused).to_have_attribute("aria-expanded", "true")
    await keyboard.press("Escape")
    await expect(focused).to_have_attribute("aria-expanded", "false")
    await keyboard.press("/")
    await expect(page.locator("#filter")).to_be_focused()
    await keyboard.type("text:update")
    await expect(page.locator(".row")).to_have_count(1)
    await keyboard.press("Escape")
    await keyboard.press("Escape")
    await keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Shortcuts")).to_be_visible()
    await keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_tab_key_reaches_everything_in_the_order_of_reading(console: Console) -> None:
    await console.write("alice", "hello")
    await expect(console.rows("text:delivered")).to_have_count(1)
    await console.page.evaluate("document.activeElement.blur(); getSelection().removeAllRanges()")
    await console.page.locator("body").evaluate(
        "body => { body.tabIndex = -1; body.focus(); body.removeAttribute('tabindex') }"
    )
    reached: list[str] = []
    for _ in range(30):
        await console.page.keyboard.press("Tab")
        place = await console.page.evaluate(
            """() => {
              const { activeElement: at } = document
              if (at === document.body) return ''
              const { outlineStyle, boxShadow } = getComputedStyle(at.matches('textarea') ? at.parentElement : at)
              if (outlineStyle === 'none' && boxShadow === 'none') return 'invisible: ' + at.outerHTML.slice(0, 80)
              return at.closest('section')?.id || at.className || at.id
            }"""
        )
        if not place:
            break
        reached.append(place)
    sections = [place for place in dict.fromkeys(reached) if place in ("pane-alice", "pane-bob", "log")]
    assert sections == ["pane-alice", "pane-bob", "log"]
    assert not [place for place in reached if place.startswith("invisible")]
    assert reached[0] == "skip"


async def test_single_keys_do_nothing_while_one_writes_or_when_switched_off(console: Console) -> None:
    await console.input("alice").press_sequentially("abl?/")
    await expect(console.input("alice")).to_have_value("abl?/")
    await console.page.get_by_role("button", name="Shortcuts").click()
    await console.page.get_by_label("Single-key shortcuts").uncheck()
    await console.page.keyboard.press("Escape")
    await console.page.locator("#theme").focus()
    await console.page.keyboard.press("b")
    await expect(console.page.locator("#theme")).to_be_focused()


async def test_on_a_phone_one_of_the_three_is_shown_at_a_time(console: Console) -> None:
    page = console.page
    await page.set_viewport_size({"width": 360, "height": 740})
    await expect(console.pane("alice")).to_be_visible()
    await expect(console.pane("bob")).to_be_hidden()
    await console.write("alice", "From the train")
    bob = page.locator("#switch").get_by_role("button", name="bob")
    await expect(bob.locator(".badge")).to_have_text("1")
    await bob.click()
    await expect(console.message("bob", "From the train")).to_be_visible()
    await expect(console.pane("alice")).to_be_hidden()
    await page.locator("#switch").get_by_role("button", name="log").click()
    await expect(console.rows("text")).to_be_visible()
    await expect(page.locator("#log")).to_be_visible()
    for name in ("alice", "bob", "log"):
        await page.locator("#switch").get_by_role("button", name=name).click()
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert await page.evaluate("document.documentElement.scrollHeight <= innerHeight"), name


async def test_the_colours_follow_the_system_until_one_is_chosen(console: Console) -> None:
    page = console.page
    scheme = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(scheme)
    await page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    dark = await page.evaluate(scheme)
    assert light != dark
    theme = page.locator("#theme")
    await theme.click()
    await expect(theme).to_have_accessible_name("Colours: light. Change")
    assert await page.evaluate(scheme) == light
    await console.open()
    assert await page.evaluate(scheme) == light
    await theme.click()
    assert await page.evaluate(scheme) == dark


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_what_is_behind_it(console: Console, scheme: str) -> None:
    await console.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    await console.write("alice", "hello")
    await console.write("bob", "hello")
    await console.rows("text").last.get_by_role("button").click()
    await expect(console.page.locator(".j-number").first).to_be_attached()
    await expect(console.page.locator(".attempts b").first).to_be_attached()
    await console.page.mouse.move(0, 0)
    ratios = await console.page.evaluate(CONTRAST, TEXTS)
    assert [(selector, round(ratio, 2)) for selector, ratio in ratios if ratio < 4.5] == []


async def test_everything_that_can_be_used_has_a_name(console: Console) -> None:
    await console.write("alice", "hello")
    await expect(console.rows("text:delivered")).to_have_count(1)
    tree = await console.page.locator("body").aria_snapshot()
    used = {"- button", "- textbox", "- switch", "- searchbox", "- combobox", "- img"}
    assert [line.strip() for line in tree.splitlines() if line.strip() in used] == []
    for wanted in ("heading Legato", "heading alice", "list What bob sees", "list Events", "switch Bob is online"):
        role, _, name = wanted.partition(" ")
        assert f'- {role} "{name}"' in tree, wanted


async def test_a_reader_is_told_what_the_other_one_wrote(console: Console) -> None:
    await console.input("bob").click()
    # bob's pane has the attention; alice's text comes from another tab
    other = await console.page.context.new_page()
    await other.goto(console.url)
    await expect(other.locator("html[data-ready]")).to_be_attached()
    await other.get_by_label("Write as alice", exact=True).fill("Can you hear me?")
    await other.get_by_label("Write as alice", exact=True).press("Enter")
    await expect(console.page.get_by_role("status").filter(has_text="Alice: Can you hear me?")).to_be_attached()
    await other.close()
