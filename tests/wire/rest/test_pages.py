"""Pages: every list can be walked both ways, and a cursor is good for its own list only."""

from __future__ import annotations

from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from legato.api.paging import write_cursor
from tests.wire.rest.stage import APPLICATION, OTHER, URL, Stage


def below(href: str) -> str:
    """The path and query of a link of this server."""
    assert href.startswith(URL + "/")
    return href.removeprefix(URL)


def ids(body: Any) -> list[Any]:
    """The ids of a page's items, whatever its generation."""
    found = body["_embedded"]
    while isinstance(found, dict):
        (found,) = found.values()
    return [item["id"] for item in found]


async def walk(api: Stage, target: str, *, as_: str | None = None, to: str = "next") -> tuple[list[list[Any]], Any]:
    """The ids of every page from ``target`` on, and the last page."""
    pages = []
    while True:
        body = await api.must("GET", target, as_=as_)
        pages.append(ids(body))
        if to not in body["_links"]:
            return pages, body
        target = below(body["_links"][to]["href"])


@pytest.fixture
async def full(stored: Stage) -> str:
    """Seven conversations and users; alice is in every conversation; the last has 7 events."""
    cid = ""
    for number in range(7):
        stored.clock.seconds += number % 3  # some at the same moment: the id decides
        await stored.user(f"user{number}")
        cid = await stored.conversation(f"room{number}")
        await stored.join(cid, "user0")
    for number in range(1, 7):
        await stored.join(cid, f"user{number}")
    return cid


@pytest.mark.parametrize("prefix", ["beta2", "v0.3", "v1"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_every_list_can_be_walked_both_ways(stored: Stage, full: str, prefix: str, order: str) -> None:
    for path, as_ in (
        ("users", None),
        ("conversations", None),
        (f"conversations/{full}/members", "user0"),
        (f"conversations/{full}/events", "user0"),
        ("users/me/conversations", "user0"),
    ):
        whole = ids(await stored.must("GET", f"/{prefix}/{path}?page_size=100&order={order}", as_=as_))
        assert len(whole) == 7
        forwards, last = await walk(stored, f"/{prefix}/{path}?page_size=3&order={order}", as_=as_)
        assert forwards == [whole[:3], whole[3:6], whole[6:]]
        backwards, first = await walk(stored, below(last["_links"]["self"]["href"]), as_=as_, to="prev")
        assert backwards == [whole[6:], whole[3:6], whole[:3]]
        assert "next" in first["_links"]
        assert "prev" not in first["_links"]


async def test_links_are_absolute_and_name_the_cursor_last(stored: Stage, full: str) -> None:
    body = await stored.must("GET", f"/beta2/conversations/{full}/events?page_size=2")
    href = body["_links"]["next"]["href"]
    assert href.startswith(f"{URL}/beta2/conversations/{full}/events?order=asc&page_size=2&cursor=")
    cursor = parse_qs(urlsplit(href).query)["cursor"][0]
    assert set(cursor) <= set("0123456789abcdef")
    assert body["cursor"] is None
    follow = await stored.must("GET", below(href))
    assert follow["cursor"] == cursor
    assert follow["page_size"] == 2
    # nexmo-client reads the href whole as a query string.
    assert parse_qs(href)["cursor"] == [cursor]


async def test_a_cursor_remembers_the_filters_that_a_client_does_not_send_back(stored: Stage, full: str) -> None:
    joined = (await stored.must("GET", "/v1/users/me/conversations?page_size=1", as_="user0"))["_embedded"]
    first_room = joined["conversations"][0]["id"]
    await stored.must("DELETE", f"/v1/conversations/{first_room}/members/me", as_="user0")
    page = await stored.must("GET", "/beta2/users/me/conversations?state=JOINED&page_size=2&order=desc", as_="user0")
    cursor = parse_qs(page["_links"]["next"]["href"])["cursor"][0]
    target = f"/beta2/users/me/conversations?page_size=2&order=desc&cursor={cursor}"
    follow = await stored.must("GET", target, as_="user0")
    assert "state=JOINED" in follow["_links"]["self"]["href"]
    assert first_room not in ids(follow)


async def test_a_page_of_filtered_events_is_full(stored: Stage, full: str) -> None:
    for number in range(4):
        await stored.must("POST", f"/v1/conversations/{full}/events", {"type": "custom:a", "body": {"n": number}})
        await stored.must("POST", f"/v1/conversations/{full}/events", {"type": "custom:b", "body": {"n": number}})
    pages, _ = await walk(stored, f"/v0.3/conversations/{full}/events?event_type=custom:b&page_size=3")
    assert pages == [[9, 11, 13], [15]]


@pytest.mark.parametrize("filters", ["", "&filter_group_type=ChatEvents&filter_group_version=3", "&event_type=text"])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_a_page_of_large_events_ends_early_and_the_next_goes_on(
    stored: Stage, full: str, filters: str, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legato.store.events.MAX_PAGE_BYTES", 5_000)
    for number in range(12):
        await stored.say(full, "user0", ("\U0001f600" * 2_500) if number == 5 else "x" * 1_000)
    path = f"/v0.3/conversations/{full}/events?start_id=8&end_id=19&order={order}{filters}"
    for size in ("", "&page_size=100", "&page_size=2"):
        forwards, last = await walk(stored, path + size)
        whole = list(range(8, 20)) if order == "asc" else list(range(19, 7, -1))
        assert [*chain(*forwards)] == whole
        assert max(map(len, forwards)) == (2 if size == "&page_size=2" else 3)
        assert [13] in forwards  # larger than a page, and told all the same
        backwards, first = await walk(stored, below(last["_links"]["self"]["href"]), to="prev")
        assert [*chain(*reversed(backwards))] == whole
        assert "prev" not in first["_links"]


async def test_a_range_of_large_events_goes_on_after_its_last(
    stored: Stage, full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("legato.store.events.MAX_PAGE_BYTES", 5_000)
    for _ in range(8):
        await stored.say(full, "user0", "x" * 1_000)
    for prefix in ("beta", "beta2"):  # nexmo-client follows no link: it asks for what it still misses
        heard: list[int] = []
        while len(heard) < 15:
            start = heard[-1] + 1 if heard else 1
            body = await stored.must("GET", f"/{prefix}/conversations/{full}/events?start_id={start}&end_id=30")
            found = [event["id"] for event in body] if prefix == "beta" else ids(body)
            assert found
            heard += found
        assert heard == list(range(1, 16))


async def test_a_foreign_or_mangled_cursor_is_refused(stored: Stage, full: str) -> None:
    body = await stored.must("GET", f"/v1/conversations/{full}/events?page_size=2")
    cursor = parse_qs(body["_links"]["next"]["href"])["cursor"][0]
    mangled = cursor[:-1] + ("0" if cursor[-1] != "0" else "1")
    for target in (
        f"/v1/conversations/{full}/members?cursor={cursor}",
        f"/v1/conversations?cursor={cursor}",
        f"/v1/conversations/{full}/events?cursor={mangled}",
        f"/v1/conversations/{full}/events?cursor={cursor[:-2]}",
        f"/v1/conversations/{full}/events?cursor={cursor}&order=desc",
        f"/v1/conversations/{full}/events?cursor={cursor}&event_type=text",
        f"/v1/conversations/{full}/events?cursor=nothing",
        f"/v1/conversations/{full}/events?cursor={'ab' * 3_000}",
    ):
        answer = await stored.call("GET", target)
        assert answer.status == 400, target
        assert answer.body["code"] in ("paginator-builder:error:invalid-cursor", "http:error:validation-fail")
    users = await stored.must("GET", "/v1/users?page_size=1")
    cursor = parse_qs(users["_links"]["next"]["href"])["cursor"][0]
    answer = await stored.call("GET", f"/v1/users?cursor={cursor}", token=stored.token(application=OTHER))
    assert (answer.status, answer.body["code"]) == (400, "paginator-builder:error:invalid-cursor")


async def test_a_page_holds_1_to_100_items(stored: Stage, full: str) -> None:
    for size, status in ((0, 400), (1, 200), (100, 200), (101, 400), ("x", 400)):
        for path in ("users", "conversations", f"conversations/{full}/members", f"conversations/{full}/events"):
            assert (await stored.call("GET", f"/v0.3/{path}?page_size={size}")).status == status
    assert (await stored.must("GET", "/v0.3/users"))["page_size"] == 10


async def test_a_cursor_that_somebody_made_up_is_refused(stored: Stage, full: str) -> None:
    for path, positions in (
        (
            "users",
            ([], [1.0], [1.0, 2], ["a", "b"], [None, "b"], [True, "b"], [1e300, "b"], [1.0, "\x00"], [1.0, "b", 3]),
        ),
        (f"conversations/{full}/members", ([1.0, "b"], [2**63, "b"], [{}, "b"])),
        (f"conversations/{full}/events", (["1"], [1.5], [2**70], [[]], [-1], [2**31], [2**63 - 1], [-(2**63) + 1])),
    ):
        scope = f"{APPLICATION}/{path}"
        for position in positions:
            cursor = write_cursor(scope, {"order": "asc"}, position, backwards=False)
            answer = await stored.call("GET", f"/v1/{path}?cursor={cursor}")
            assert (answer.status, answer.body["code"]) == (400, "paginator-builder:error:invalid-cursor"), position
    for path, filters in (
        ("users", {"name": "\x00"}),
        ("conversations", {"name": "\x00"}),
        (f"conversations/{full}/events", {"event_type": "text\x00"}),
        (f"conversations/{full}/events", {"start_id": 2**31}),
        (f"conversations/{full}/events", {"start_id": -1}),
        (f"conversations/{full}/events", {"end_id": 2**70}),
    ):
        position = [1] if path.endswith("events") else [1.0, "b"]
        cursor = write_cursor(f"{APPLICATION}/{path}", {"order": "asc", **filters}, position, backwards=False)
        answer = await stored.call("GET", f"/v1/{path}?cursor={cursor}")
        assert (answer.status, answer.body["code"]) == (400, "paginator-builder:error:invalid-cursor"), filters
    edges = [(place, {"start_id": 2**31 - 1}, backwards) for place in (0, 2**31 - 1) for backwards in (False, True)]
    for place, filters, backwards in edges:
        cursor = write_cursor(f"{APPLICATION}/conversations/{full}/events", filters, [place], backwards=backwards)
        assert ids(await stored.must("GET", f"/v1/conversations/{full}/events?cursor={cursor}")) == []
    for filters in ({"order": "up"}, {"name": 7}, {"order": None, "name": {}}):
        cursor = write_cursor(f"{APPLICATION}/users", filters, [1.0, "b"], backwards=False)
        assert (await stored.call("GET", f"/v1/users?cursor={cursor}")).status == 400
    kept = write_cursor(f"{APPLICATION}/users", {"order": "asc", "nothing": 1}, [1.0, "b"], backwards=False)
    assert (await stored.call("GET", f"/v1/users?cursor={kept}")).status == 200
