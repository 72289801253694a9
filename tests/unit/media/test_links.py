"""Signed links."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from tests.unit.media.stage import Stage

from legato.events.ids import RandomIds
from legato.store.media_links import LIFETIME, ROUNDING, MediaLinks
from legato.store.signing import MEDIA_LINKS, signing_secret

LINKS = MediaLinks("https://chat.example", b"a" * 32)
ID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
OWNER = "bbbbbbbb-bbbb-4ccc-8ddd-0123456789ab"
URL = f"https://chat.example/v3/media/{ID}"
NOW = 1_800_000_000.0


def opens(links: MediaLinks, signed: str, now: float, media_id: str = ID, application_id: str = OWNER) -> bool:
    query = parse_qs(urlsplit(signed).query)
    return links.opens(media_id, application_id, int(query["expires"][0]), query["signature"][0], now)


def test_a_signed_link_opens_until_its_time_is_over() -> None:
    signed = LINKS.sign_media_url(URL, OWNER, NOW)
    assert opens(LINKS, signed, NOW)
    assert opens(LINKS, signed, NOW + LIFETIME - 1)
    assert not opens(LINKS, signed, NOW + LIFETIME + ROUNDING + 1)


def test_a_signed_link_opens_nothing_else() -> None:
    signed = LINKS.sign_media_url(URL, OWNER, NOW)
    assert not opens(LINKS, signed, NOW, RandomIds().uuid())
    assert not opens(LINKS, signed, NOW, application_id=RandomIds().uuid())
    assert not opens(LINKS, signed.replace("expires=1", "expires=2"), NOW)
    assert not opens(MediaLinks("https://chat.example", b"b" * 32), signed, NOW)
    assert not LINKS.opens(ID, OWNER, int(NOW) + 10, "", NOW)
    assert not LINKS.opens(ID, OWNER, int(NOW) + 10, "ü", NOW)


def test_a_link_signed_within_the_same_hour_is_the_same() -> None:
    hour = NOW // ROUNDING * ROUNDING
    assert LINKS.sign_media_url(URL, OWNER, hour) == LINKS.sign_media_url(URL, OWNER, hour + ROUNDING - 1)


def test_signing_a_signed_link_gives_a_fresh_one() -> None:
    later = NOW + 10 * LIFETIME
    assert opens(LINKS, LINKS.sign_media_url(LINKS.sign_media_url(URL, OWNER, NOW), OWNER, later), later)


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/v3/media/" + ID,
        "https://chat.example.evil.example/v3/media/" + ID,
        "https://chat.example/v3/media/" + ID + "/info",
        "https://chat.example/v3/media/" + ID[:-1],
        "https://chat.example/v3/media/" + ID.upper(),
        "https://chat.example/v1/users/" + ID,
        "",
    ],
)
def test_a_url_of_somebody_else_is_left_as_it_is(url: str) -> None:
    assert not LINKS.is_own_media_url(url)
    assert LINKS.sign_media_url(url, OWNER, NOW) == url


def test_our_url_is_ours_signed_or_not() -> None:
    assert LINKS.is_own_media_url(URL)
    assert LINKS.media_id(LINKS.sign_media_url(URL, OWNER, NOW)) == ID


async def test_a_signed_link_downloads_without_a_token(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"shown")).headers["Location"]
    signed = on_stage.links.sign_media_url(url, await on_stage.owner(url), on_stage.clock.now())
    assert (await on_stage.call("GET", signed, as_=None)).body == b"shown"
    assert (await on_stage.call("GET", signed[:-1] + "_", as_=None)).status == 403
    assert (await on_stage.call("GET", url + "?expires=99999999999&signature=x", as_=None)).status == 403
    assert (await on_stage.call("GET", url + "?signature=x", as_=None)).status == 401
    assert (await on_stage.call("DELETE", signed, as_=None)).status == 401
    on_stage.clock.ahead = LIFETIME + ROUNDING
    assert (await on_stage.call("GET", signed, as_=None)).status == 403


async def test_a_link_signed_for_another_application_opens_nothing(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"hidden", as_="alice")).headers["Location"]
    eve_s = (await on_stage.upload(b"known", as_="eve")).headers["Location"]
    signed = on_stage.links.sign_media_url(url, await on_stage.owner(eve_s), on_stage.clock.now())
    assert (await on_stage.call("GET", signed, as_=None)).status == 403


async def test_the_secret_is_made_once_and_kept(on_each_store: Stage) -> None:
    log = on_each_store.log
    first = await log.transact(lambda connection: signing_secret(connection, MEDIA_LINKS, NOW))
    again = await log.transact(lambda connection: signing_secret(connection, MEDIA_LINKS, NOW))
    other = await log.transact(lambda connection: signing_secret(connection, "other", NOW))
    assert first == again != other
    assert len(first) == 32
