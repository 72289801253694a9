"""Media v3 over HTTP."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
from tests.unit.media.stage import SMALL, Stage, form

from legato.api.media import LISTED
from legato.api.upload import plain_name
from legato.events.ids import RandomIds
from legato.events.moment import iso
from legato.store.files import CHUNK
from legato.store.media import known_media
from legato.store.schema import media


async def test_a_file_comes_back_as_it_was_sent(on_each_store: Stage) -> None:
    stage = on_each_store
    sent = await stage.upload(b"hello", name="note.txt", title="A note", max_downloads_allowed="7")
    assert sent.status == 201
    assert sent.headers["Location"] == f"{stage.url}/v3/media/{sent.json['id']}"
    got = await stage.call("GET", sent.headers["Location"])
    assert (got.status, got.body) == (200, b"hello")
    assert got.headers["Content-Type"] == "text/plain"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Access-Control-Allow-Origin"] == "*"
    info = (await stage.call("GET", sent.headers["Location"] + "/info")).json
    assert info["original_file_name"] == "note.txt"
    assert info["title"] == "A note"
    assert info["max_downloads_allowed"] == 7
    assert info["times_downloaded"] == 1
    assert info["media_size"] == 5
    assert info["etag"] == hashlib.sha256(b"hello").hexdigest()
    assert info["account_id"] == "abcd1234"
    assert info["public"] is False


async def test_another_application_finds_nothing(on_each_store: Stage) -> None:
    stage = on_each_store
    url = (await stage.upload(b"ours")).headers["Location"]
    for method, path, sent in (
        ("GET", url, None),
        ("GET", url + "/info", None),
        ("PUT", url + "/info", {"title": "theirs"}),
        ("DELETE", url, None),
        ("GET", url.replace("/v3/media", "/v1/files"), None),
    ):
        refused = await stage.call(method, path, as_="other", json=sent)
        assert (refused.status, refused.json["code"]) == (404, "media:error:not-found"), (method, path)
    assert (await stage.call("GET", "/v3/media", as_="other")).json["count"] == 0
    assert (await stage.call("GET", url)).body == b"ours"


async def test_without_a_token_only_public_files_open(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"x")).headers["Location"]
    assert (await on_stage.call("GET", url, as_=None)).status == 401
    assert (await on_stage.call("GET", url[:-4] + "0000", as_=None)).status == 401
    assert (await on_stage.call("PUT", url, json={"public": True})).status == 204
    assert (await on_stage.call("GET", url, as_=None)).body == b"x"
    assert (await on_stage.call("GET", url, as_="eve")).body == b"x"


async def test_a_user_changes_and_deletes_only_what_that_user_sent(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"alice's")).headers["Location"]
    assert (await on_stage.call("PUT", url, as_="bob", json={"title": "mine"})).status == 403
    assert (await on_stage.call("DELETE", url, as_="bob")).status == 403
    assert (await on_stage.call("GET", url, as_="bob")).status == 200
    assert (await on_stage.call("PUT", url, as_="application", json={"title": "ours"})).status == 204
    assert (await on_stage.call("GET", url + "/info")).json["title"] == "ours"
    assert (await on_stage.call("DELETE", url, as_="application")).status == 204


async def test_a_deleted_file_is_gone_with_its_bytes(on_each_store: Stage) -> None:
    stage = on_each_store
    url = (await stage.upload(b"x")).headers["Location"]
    assert len(stage.blobs()) == 1
    assert (await stage.call("DELETE", url)).status == 204
    assert stage.blobs() == set()
    assert (await stage.call("GET", url)).status == 404
    assert (await stage.call("DELETE", url)).status == 404


async def test_info_is_changed_by_json_and_by_either_form(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"x")).headers["Location"]
    json, form = {"metadata_primary": "a"}, {"metadata_secondary": "b", "public": "true"}
    assert (await on_stage.call("PUT", url, json=json)).status == 204
    assert (await on_stage.call("PUT", url + "/info", data=form)).status == 204
    kind = "multipart/form-data; boundary=x"
    part = b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nc\r\n--x--\r\n'
    assert (await on_stage.call("PUT", url + "/info", data=part, headers={"Content-Type": kind})).status == 204
    info = (await on_stage.call("GET", url + "/info")).json
    assert [info[k] for k in ("metadata_primary", "metadata_secondary", "title", "public")] == ["a", "b", "c", True]


async def test_an_empty_text_clears_and_an_empty_number_is_refused(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"x", title="old", metadata_primary="kept")).headers["Location"]
    assert (await on_stage.call("PUT", url, data={"title": ""})).status == 204
    info = (await on_stage.call("GET", url + "/info")).json
    assert (info["title"], info["metadata_primary"]) == ("", "kept")
    refused = await on_stage.call("PUT", url, data={"max_downloads_allowed": ""})
    assert (refused.status, set(refused.wrong)) == (400, {"max_downloads_allowed"})


async def test_a_wrong_change_names_its_field_and_changes_nothing(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"x")).headers["Location"]
    before = (await on_stage.call("GET", url + "/info")).json
    for wrong in ({"title": "t" * 256}, {"max_downloads_allowed": -1}, {"mime_type": "text"}, {"public": "perhaps"}):
        refused = await on_stage.call("PUT", url, json=wrong)
        assert (refused.status, set(refused.wrong)) == (400, set(wrong))
    assert (await on_stage.call("PUT", url, data=b"<x/>", headers={"Content-Type": "text/xml"})).status == 415
    assert (await on_stage.call("GET", url + "/info")).json == before


async def test_files_are_listed_newest_first_page_by_page(on_each_store: Stage) -> None:
    stage = on_each_store
    ids = []
    for number in range(5):
        ids.append((await stage.upload(b"%d" % number)).json["id"])
        stage.clock.ahead += 10
    seen, url = [], "/v3/media?page_size=2"
    while url:
        page = (await stage.call("GET", url, as_="application")).json
        assert (page["count"], page["page_size"]) == (5, 2)
        seen += [item["id"] for item in page["_embedded"]["media"]]
        url = page["_links"].get("next", {}).get("href")
    assert seen == ids[::-1]
    assert page["page_index"] == 2
    assert page["_links"]["self"] == page["_links"]["last"]
    oldest = (await stage.call("GET", "/v3/media?order=ascending&page_size=1", as_="application")).json
    assert [item["id"] for item in oldest["_embedded"]["media"]] == ids[:1]


async def test_the_list_begins_a_week_ago_unless_told(on_stage: Stage) -> None:
    media_id = (await on_stage.upload(b"old")).json["id"]
    made_at = on_stage.clock.now() - LISTED - 60
    await on_stage.log.transact(
        lambda c: c.execute(media.update().where(media.c.id == media_id).values(created_at=made_at))
    )
    counts = {}
    for query in ("", f"start_time={iso(made_at - 1)}", f"start_time={iso(made_at - 9)}&end_time={iso(made_at - 1)}"):
        counts[query] = (await on_stage.call("GET", f"/v3/media?{query}", as_="application")).json["count"]
    assert list(counts.values()) == [0, 1, 0]


@pytest.mark.parametrize(
    "query", ["page_size=0", "page_size=101", "page_index=-1", "order=asc", "start_time=yesterday", "end_time=x"]
)
async def test_a_wrong_query_is_refused_by_name(on_stage: Stage, query: str) -> None:
    refused = await on_stage.call("GET", f"/v3/media?{query}", as_="application")
    assert (refused.status, set(refused.wrong)) == (400, {query.partition("=")[0]})


async def test_the_list_is_the_applications_own(on_stage: Stage) -> None:
    assert (await on_stage.call("GET", "/v3/media", as_="alice")).status == 403


async def test_a_file_over_its_bound_is_refused_and_leaves_nothing(on_stage: Stage) -> None:
    assert (await on_stage.upload(b"x" * SMALL)).status == 201
    on_disk = on_stage.blobs()
    refused = await on_stage.upload(b"x" * (SMALL + 1))
    assert (refused.status, refused.json["code"]) == (413, "http:error:payload-too-large")
    assert on_stage.blobs() == on_disk
    assert list((on_stage.files.path(next(iter(on_disk))).parents[1] / "incoming").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "status", "sent"),
    [
        ("bytes=0-3", 206, b"0123"),
        ("bytes=4-", 206, b"456789"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-30", 206, b"0123456789"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=5-4", 200, b"0123456789"),
        ("bytes=0-1,3-4", 200, b"0123456789"),
        ("lines=1-2", 200, b"0123456789"),
    ],
)
async def test_a_range_is_answered_with_that_part(on_stage: Stage, asked: str, status: int, sent: bytes) -> None:
    url = (await on_stage.upload(b"0123456789")).headers["Location"]
    got = await on_stage.call("GET", url, headers={"Range": asked})
    assert (got.status, got.body) == (status, sent)
    if status == 206:
        first = b"0123456789".index(sent)
        assert got.headers["Content-Range"] == f"bytes {first}-{first + len(sent) - 1}/10"


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=-0"])
async def test_a_range_outside_the_file_is_refused_with_its_size(on_stage: Stage, asked: str) -> None:
    url = (await on_stage.upload(b"0123456789")).headers["Location"]
    got = await on_stage.call("GET", url, headers={"Range": asked})
    assert (got.status, got.headers["Content-Range"]) == (416, "bytes */10")
    assert got.json["code"] == "http:error:range-not-satisfiable"


async def test_a_range_of_other_bytes_is_answered_whole(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"0123456789")).headers["Location"]
    etag = (await on_stage.call("GET", url)).headers["ETag"]
    same = await on_stage.call("GET", url, headers={"Range": "bytes=0-0", "If-Range": etag})
    other = await on_stage.call("GET", url, headers={"Range": "bytes=0-0", "If-Range": '"other"'})
    assert (same.status, other.status) == (206, 200)


async def test_what_the_reader_holds_is_not_sent_again_nor_counted(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"x")).headers["Location"]
    etag = (await on_stage.call("GET", url)).headers["ETag"]
    again = await on_stage.call("GET", url, headers={"If-None-Match": f'"a", W/{etag}'})
    assert (again.status, again.body) == (304, b"")
    assert (await on_stage.call("GET", url + "/info")).json["times_downloaded"] == 1


async def test_of_many_at_once_only_as_many_as_allowed_download(on_each_store: Stage) -> None:
    stage = on_each_store
    url = (await stage.upload(b"x", max_downloads_allowed="3")).headers["Location"]
    got = await asyncio.gather(*(stage.call("GET", url, headers={"Range": "bytes=0-"}) for _ in range(8)))
    assert sorted(answer.status for answer in got) == [206] * 3 + [403] * 5
    assert (await stage.call("GET", url + "/info")).json["times_downloaded"] == 3


async def test_a_page_that_somebody_uploaded_is_saved_not_shown(on_stage: Stage) -> None:
    for kind, name in (("text/html", "a.html"), ("image/svg+xml", "a.svg"), ("nonsense", "a")):
        url = (await on_stage.upload(b"<script>", name=name, content_type=kind)).headers["Location"]
        got = await on_stage.call("GET", url)
        assert got.headers["Content-Type"] == "application/octet-stream"
        assert got.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in got.headers["Content-Security-Policy"]


async def test_a_file_name_is_for_people_only(on_stage: Stage) -> None:
    url = (await on_stage.upload(b"x", name="../../etc/süß, 100%.txt")).headers["Location"]
    got = await on_stage.call("GET", url)
    assert (await on_stage.call("GET", url + "/info")).json["original_file_name"] == "süß, 100%.txt"
    assert got.headers["Content-Disposition"] == (
        "inline; filename=\"s__, 100_.txt\"; filename*=UTF-8''s%C3%BC%C3%9F%2C%20100%25.txt"
    )


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("C:\\temp\\a.txt", "a.txt"), ("a\r\nX: y.txt", "aX: y.txt"), ("..", ".."), ("", ""), ("n" * 300, "n" * 255)],
)
def test_a_file_name_keeps_no_directory_and_no_control_character(sent: str, kept: str) -> None:
    assert plain_name(sent) == kept


async def test_the_same_key_stores_a_file_once(on_each_store: Stage) -> None:
    stage = on_each_store

    async def send(data: bytes) -> tuple[int, str]:
        body = form("filedata", data, "a.txt", "text/plain", {})
        got = await stage.call("POST", "/v3/media", data=body, headers={"Idempotency-Key": "k-1"})
        return got.status, got.json.get("id", got.json.get("code"))

    first = await send(b"one")
    assert await send(b"one") == first
    assert (await send(b"two"))[0] == 409
    assert stage.blobs() == {first[1]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--x\r\n",
        b'--x\r\nContent-Disposition: form-data; name="filedata"; filename="a"\r\n\r\nhalf',
        b"--x\r\nContent-Disposition: form-data\r\n\r\nunnamed\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\nno file\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xff\xfe\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n' + b"t" * 20_000 + b"\r\n--x--\r\n",
        b"".join(b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\n\r\n' % n for n in range(40))
        + b"--x--\r\n",
        b"--x\r\nX: " + b"h" * 10_000 + b"\r\n\r\n\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="filedata"; filename="a"\r\n\r\n1\r\n' * 2 + b"--x--\r\n",
    ],
    ids=["empty", "text", "begun", "cut", "unnamed", "no-file", "not-utf8", "long-field", "many", "long-head", "twice"],
)
async def test_a_broken_form_is_refused_and_leaves_nothing(on_stage: Stage, body: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    refused = await on_stage.call("POST", "/v3/media", data=body, headers=headers)
    assert (refused.status, refused.json["code"]) == (400, "http:error:validation-fail")
    assert on_stage.blobs() == set()


async def test_a_boundary_of_any_length_is_answered(on_stage: Stage) -> None:
    for length, status in ((70, 201), (300, 400)):  # RFC 2046 5.1.1: at most 70 characters
        boundary = b"b" * length
        body = b'--%s\r\nContent-Disposition: form-data; name="filedata"; filename="a"\r\n\r\nhi\r\n--%s--\r\n'
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary.decode()}"}
        answer = await on_stage.call("POST", "/v3/media", data=body % (boundary, boundary), headers=headers)
        assert answer.status == status
    assert answer.json["code"] == "http:error:validation-fail"


async def test_a_large_file_is_sent_in_chunks_and_whole(on_stage: Stage) -> None:
    # Over the room's own bound, so it is put on the stage from behind.
    data = bytes(range(256)) * (3 * CHUNK // 256) + b"tail"
    url = (await on_stage.upload(b"x", content_type="audio/mpeg")).headers["Location"]
    media_id = url.rpartition("/")[2]
    on_stage.files.path(media_id).write_bytes(data)
    await on_stage.log.transact(
        lambda connection: connection.execute(media.update().where(media.c.id == media_id).values(size=len(data)))
    )
    assert (await on_stage.call("GET", url)).body == data


async def test_files_without_a_row_are_swept(on_each_store: Stage) -> None:
    stage = on_each_store
    kept = (await stage.upload(b"kept")).json["id"]
    orphan = RandomIds().uuid()
    with stage.files.create(10) as incoming:
        incoming.write(b"orphan")
        stage.files.keep(incoming, orphan)
    far = stage.clock.now() + 10_000
    swept = await stage.log.read(lambda c: stage.files.sweep(lambda ids: known_media(c, ids), now=far))
    assert swept == 1
    assert stage.blobs() == {kept}
