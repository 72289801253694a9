"""Forms, however they arrive."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from legato.api.upload import read_upload
from legato.events.ids import RandomIds
from legato.log import forget_user
from legato.store.files import Files
from legato.store.schema import users
from legato.testing.waiting import PATIENCE_SECONDS

from .stage import Stage

FILE = b"first line\r\n--bound\r\n\r\n--boundary-but-not-quite\r\n\0\xff last"
FORM = (
    b'--boundary\r\nContent-Disposition: form-data; name="title"\r\n\r\nS\xc3\xbc\xc3\x9f\r\n'
    b'--boundary\r\ncontent-disposition: form-data; name=file; filename="a.bin"\r\n'
    b"Content-Type: application/x-any\r\n\r\n" + FILE + b"\r\n"
    b'--boundary\r\nContent-Disposition: form-data; name="empty"\r\n\r\n\r\n'
    b"--boundary--\r\nan epilogue"
)


async def read(chunks: list[bytes], directory: Path) -> tuple[dict[str, str], bytes, str, str]:
    """What a form that arrives in these chunks is read as."""

    async def arriving() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    request = SimpleNamespace(headers={b"content-type": b"multipart/form-data; boundary=boundary"}, chunks=arriving)
    async with read_upload(cast(Any, request), Files(directory), "file", 1000) as upload:
        assert upload.file is not None
        return upload.fields, upload.file.path.read_bytes(), upload.file_name, upload.content_type


@settings(deadline=None, max_examples=60)
@given(cuts=st.lists(st.integers(1, len(FORM) - 1), max_size=40))
def test_a_form_is_read_the_same_however_it_is_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(set(cuts)), len(FORM)]
    chunks = [FORM[start:end] for start, end in itertools.pairwise(edges)]
    with tempfile.TemporaryDirectory() as directory:
        fields, file, name, kind = asyncio.run(read(chunks, Path(directory)))
    assert fields == {"title": "Süß", "empty": ""}
    assert file == FILE
    assert (name, kind) == ("a.bin", "application/x-any")


async def test_what_somebody_sends_who_is_deleted_meanwhile_is_not_kept(on_each_store: Stage) -> None:
    stage = on_each_store
    found = await stage.log.read(lambda c: c.execute(select(users).where(users.c.name == "alice")).one())
    pieces = [
        b'--x\r\nContent-Disposition: form-data; name="filedata"; filename="a"\r\n\r\nfirst half',
        b", second half\r\n--x--\r\n",
    ]

    async def sent() -> AsyncIterator[bytes]:
        yield pieces[0]
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not any(stage.files.path(RandomIds().uuid()).parents[1].glob("incoming/*")):
                await asyncio.sleep(0.01)  # a directory cannot be awaited
        assert await forget_user(stage.log, found.application_id, found.id)
        stage.authenticator.forget_user(found.application_id, found.id)
        yield pieces[1]

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = await stage.call("POST", "/v3/media", data=sent(), headers=headers)
    assert (answer.status, answer.json["code"]) == (401, "user:error:not-found")
    assert stage.blobs() == set()


async def test_who_hangs_up_half_way_leaves_nothing(on_stage: Stage) -> None:
    incoming = on_stage.files.path("0" * 8 + "-0000-4000-8000-" + "0" * 12).parents[1] / "incoming"
    port = int(on_stage.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (
        f"POST /v3/media HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {on_stage.tokens['alice']}\r\n"
        "Content-Type: multipart/form-data; boundary=boundary\r\nContent-Length: 5000\r\n\r\n"
    )
    writer.write(head.encode() + FORM[:-40].replace(b"name=file;", b"name=filedata;"))
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not any(incoming.iterdir()):
            await asyncio.sleep(0.01)  # a directory cannot be awaited
        writer.close()
        await writer.wait_closed()
        while any(incoming.iterdir()):
            await asyncio.sleep(0.01)
    assert on_stage.blobs() == set()
    assert reader.at_eof() or not await reader.read()
