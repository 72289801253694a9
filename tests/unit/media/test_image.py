"""The image service."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.media.pictures import (
    animation,
    decoded,
    encoded,
    photograph,
    png_that_claims,
    two_halves,
    webp_that_claims,
)
from tests.unit.media.stage import Answer, Stage, form

from legato.api import image_render
from legato.api.image_worker import ImageWorker, Job
from legato.events.refusal import InvalidInput, Overloaded

NAMES = ("original", "medium", "thumbnail")
RED, BLUE = (254, 0, 0), (0, 0, 254)


async def send(stage: Stage, data: bytes, *, name: str = "picture", **fields: str) -> Answer:
    headers = {"Idempotency-Key": key} if (key := fields.pop("key", "")) else {}
    return await stage.call("POST", "/v1/image", data=form("file", data, name, "image/x", fields), headers=headers)


async def fetch(stage: Stage, answer: Answer, name: str) -> Image.Image:
    got = await stage.call("GET", answer.json[name]["url"])
    assert got.status == 200
    assert len(got.body) == answer.json[name]["size"]
    return decoded(got.body)


async def test_a_picture_is_answered_with_200_and_three_representations(on_each_store: Stage) -> None:
    stage = on_each_store
    sent = await send(stage, encoded(two_halves(), "JPEG"), quality_ratio="100")
    assert sent.status == 200  # the client counts 201 as a failure
    assert set(sent.json) == {"id", *NAMES}
    sizes = [(await fetch(stage, sent, name)).size for name in NAMES]
    assert sizes == [(80, 40), (40, 20), (24, 12)]
    for name in NAMES:
        shown = sent.json[name]
        assert (shown["width"], shown["height"]) == sizes[NAMES.index(name)]
        assert shown["type"] == "image/jpeg"
        assert re.fullmatch(re.escape(stage.url) + r"/v3/media/[0-9a-f-]{36}", shown["url"])
        assert "image" not in shown["url"]  # the client takes such a URL for an upload


async def test_the_callers_ratios_are_kept(on_stage: Stage) -> None:
    sent = await send(
        on_stage, encoded(two_halves(), "PNG"), medium_size_ratio="100", thumbnail_size_ratio="1", quality_ratio="0"
    )
    assert [(sent.json[name]["width"], sent.json[name]["height"]) for name in NAMES] == [(80, 40), (80, 40), (1, 1)]


async def test_an_empty_ratio_is_no_ratio(on_stage: Stage) -> None:
    sent = await send(on_stage, encoded(two_halves(), "PNG"), quality_ratio="", medium_size_ratio="")
    assert sent.json["medium"]["width"] == 40


@pytest.mark.parametrize(
    "fields",
    [{"quality_ratio": "101"}, {"quality_ratio": "good"}, {"medium_size_ratio": "0"}, {"thumbnail_size_ratio": "-1"}],
)
async def test_a_wrong_ratio_is_refused_by_name(on_stage: Stage, fields: dict[str, str]) -> None:
    refused = await send(on_stage, encoded(two_halves(), "PNG"), **fields)
    assert (refused.status, set(refused.wrong)) == (400, set(fields))
    assert on_stage.blobs() == set()


async def test_less_quality_is_fewer_bytes(on_stage: Stage) -> None:
    picture = encoded(Image.effect_noise((200, 200), 60), "JPEG", quality=95)
    good, poor = await send(on_stage, picture, quality_ratio="100"), await send(on_stage, picture, quality_ratio="20")
    assert poor.json["original"]["size"] < good.json["original"]["size"] / 2


async def test_a_photograph_is_turned_upright_and_says_nothing_of_where_it_was_taken(on_stage: Stage) -> None:
    sent = await send(on_stage, photograph())
    for name in NAMES:
        got = await on_stage.call("GET", sent.json[name]["url"])
        picture = decoded(got.body)
        assert dict(picture.getexif()) == {}
        assert "comment" not in picture.info
        assert b"secret" not in got.body
        assert picture.getpixel((2, 2)) == BLUE
        assert picture.getpixel((picture.width - 2, 2)) == RED


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
async def test_the_kind_is_what_the_first_bytes_say(on_stage: Stage, kind: str) -> None:
    sent = await send(on_stage, encoded(two_halves(), kind), name="picture.bmp")
    assert sent.json["original"]["type"] == f"image/{kind.lower()}"
    assert (await fetch(on_stage, sent, "thumbnail")).format == kind


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "I;16"])
async def test_every_mode_of_png_is_read(on_stage: Stage, mode: str) -> None:
    picture = Image.new("I;16", (20, 10), 40_000) if mode == "I;16" else two_halves().convert(mode)
    sent = await send(on_stage, encoded(picture, "PNG") if mode != "PA" else encoded(picture.convert("P"), "PNG"))
    assert sent.status == 200
    assert (await fetch(on_stage, sent, "original")).size == picture.size


async def test_a_cmyk_jpeg_becomes_rgb(on_stage: Stage) -> None:
    sent = await send(on_stage, encoded(Image.new("CMYK", (20, 10), (0, 255, 255, 0)), "JPEG"))
    original = await fetch(on_stage, sent, "original")
    assert original.mode == "RGB"
    red, green, blue = original.getpixel((5, 5))  # type: ignore[misc]  # three bands
    assert red > 200
    assert green < 60
    assert blue < 60


async def test_transparency_stays(on_stage: Stage) -> None:
    sent = await send(on_stage, encoded(Image.new("RGBA", (20, 10), (10, 20, 30, 0)), "PNG"))
    assert (await fetch(on_stage, sent, "medium")).getpixel((1, 1))[3] == 0  # type: ignore[index]  # four bands


@pytest.mark.parametrize("kind", ["GIF", "WEBP"])
async def test_an_animation_moves_at_full_size_and_stands_still_below(on_stage: Stage, kind: str) -> None:
    sent = await send(on_stage, animation(kind))
    frames = [getattr(await fetch(on_stage, sent, name), "n_frames", 1) for name in NAMES]
    assert frames == [3, 1, 1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"\xff\xd8\xff",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\0\0\0\0WAVE",
        b"NOPE\0\0\0\0WEBP" + b"\0" * 100,
        encoded(two_halves(), "BMP"),
        encoded(two_halves(), "TIFF"),
        encoded(Image.effect_noise((200, 200), 60), "JPEG")[:2000],
        encoded(Image.effect_noise((200, 200), 60), "PNG")[:2000],
        png_that_claims(400, 400),
    ],
    ids=["empty", "text", "magic", "svg", "wav", "not-riff", "bmp", "tiff", "cut-jpeg", "cut-png", "short-png"],
)
async def test_what_is_no_picture_is_refused_and_leaves_nothing(on_stage: Stage, data: bytes) -> None:
    refused = await send(on_stage, data)
    assert (refused.status, refused.json["code"], set(refused.wrong)) == (400, "http:error:validation-fail", {"file"})
    assert on_stage.blobs() == set()


@pytest.mark.parametrize(
    "data",
    [
        png_that_claims(60_000, 60_000),
        png_that_claims(8_000, 8_000),
        png_that_claims(2**31 - 1, 1),
        webp_that_claims(16_383, 16_383),
        encoded(Image.new("1", (12_000, 12_000)), "PNG"),
        animation("GIF", frames=image_render.MAX_FRAMES + 1, size=(2, 2)),
    ],
    ids=["3.6-gigapixels", "64-megapixels", "wide", "webp", "black", "frames"],
)
async def test_a_bomb_costs_no_memory(on_stage: Stage, data: bytes) -> None:
    assert len(data) < 2_000_000
    assert (await send(on_stage, encoded(two_halves(), "PNG"))).status == 200
    peak = memory(on_stage.worker)
    assert (await send(on_stage, data)).status == 400
    assert memory(on_stage.worker) - peak < 20_000  # kB; decoded, the smallest of them would be 190 MB
    assert (await send(on_stage, encoded(two_halves(), "PNG"))).status == 200


async def test_an_animation_is_given_up_at_the_frame_that_is_too_much(on_stage: Stage) -> None:
    data = animation("GIF", frames=24, size=(2_000, 2_000))
    assert (await send(on_stage, data)).status == 400
    # All frames would be 384 MB; up to the bound they are 200.
    assert memory(on_stage.worker) < 300_000


def memory(worker: ImageWorker) -> int:
    """The most that the process ever had, in kB."""
    assert worker._process is not None
    status = Path(f"/proc/{worker._process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]  # Linux has it


async def test_the_process_that_reads_pictures_can_write_no_file(on_stage: Stage) -> None:
    await send(on_stage, encoded(two_halves(), "PNG"))
    assert on_stage.worker._process is not None
    limits = Path(f"/proc/{on_stage.worker._process.pid}/limits").read_text()
    assert re.search(r"Max file size\s+0\s+0", limits)
    assert re.search(rf"Max address space\s+{image_render.MAX_MEMORY}", limits)


async def test_deleting_the_original_deletes_all_three(on_each_store: Stage) -> None:
    stage = on_each_store
    sent = await send(stage, encoded(two_halves(), "PNG"))
    other = await send(stage, encoded(two_halves(), "PNG"))
    assert (await stage.call("DELETE", sent.json["original"]["url"])).status == 204
    assert [(await stage.call("GET", sent.json[name]["url"])).status for name in NAMES] == [404] * 3
    assert stage.blobs() == {other.json[name]["id"] for name in NAMES}


async def test_deleting_the_thumbnail_deletes_only_that(on_stage: Stage) -> None:
    sent = await send(on_stage, encoded(two_halves(), "PNG"))
    assert (await on_stage.call("DELETE", sent.json["thumbnail"]["url"])).status == 204
    assert [(await on_stage.call("GET", sent.json[name]["url"])).status for name in NAMES] == [200, 200, 404]


async def test_the_same_key_stores_a_picture_once(on_each_store: Stage) -> None:
    stage = on_each_store
    picture = encoded(two_halves(), "PNG")
    first = await send(stage, picture, key="k")
    assert (await send(stage, picture, key="k")).json == first.json
    assert (await send(stage, picture, key="k", quality_ratio="50")).status == 409
    assert stage.blobs() == {first.json[name]["id"] for name in NAMES}


async def test_a_picture_that_kills_its_process_is_refused_and_the_next_one_is_not(tmp_path: Path) -> None:
    source = tmp_path / "picture"
    source.write_bytes(encoded(Image.effect_noise((3_000, 3_000), 50), "PNG"))
    job = Job(str(source), "PNG", 100, {"original": 100, "medium": 50, "thumbnail": 30})
    worker = ImageWorker()
    rendering = asyncio.create_task(worker.render(job))
    while worker._process is None:
        await asyncio.sleep(0)
    worker._process.kill()
    with pytest.raises(InvalidInput):
        await rendering
    assert [head.name for head, _data in await worker.render(job)] == list(NAMES)
    await worker.close()


async def test_a_picture_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    source = tmp_path / "picture"
    source.write_bytes(encoded(two_halves(), "PNG"))
    worker = ImageWorker(seconds=0.0)
    with pytest.raises(InvalidInput) as refused:
        await worker.render(Job(str(source), "PNG", 100, {"original": 100}))
    assert "too long" in refused.value.invalid[0].reason
    assert worker._process is None


async def test_more_pictures_than_may_wait_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "picture"
    source.write_bytes(encoded(two_halves(), "PNG"))
    worker = ImageWorker(waiting=2)
    job = Job(str(source), "PNG", 100, {"original": 100})
    done = await asyncio.gather(*(worker.render(job) for _ in range(5)), return_exceptions=True)
    assert [type(result) for result in done] == [list] * 3 + [Overloaded] * 2
    await worker.close()
