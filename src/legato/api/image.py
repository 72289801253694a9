"""The image service: one picture in, three representations out.

``nexmo-client`` posts the answer as it is in an ``image`` event and counts nothing but 200 as success; the URLs are
those of media, because it takes any URL with ``image`` in it for an upload.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from legato.api.contract import Answer, Generation, Reply, Request, route
from legato.api.image_render import MAGIC_BYTES, MAX_OUTPUT, MIME_TYPES, kind_of
from legato.api.image_worker import Head, ImageWorker, Job
from legato.api.media import owner_of
from legato.api.services import Services
from legato.api.upload import MAX_FORM, MULTIPART, Upload, read_fields, read_upload
from legato.events.refusal import InvalidInput
from legato.store.files import Files
from legato.store.media import Media, MediaInfo, insert_media
from legato.store.media_links import MediaLinks

MAX_IMAGE: Final = 15 * 1024 * 1024  # bytes; a phone's picture at full size has 3 to 12 MB

Percent = Annotated[int, Meta(ge=1, le=100)]


class ImageRatios(msgspec.Struct, kw_only=True):
    """How good and how large, in per cent."""

    quality_ratio: Annotated[int, Meta(ge=0, le=100)] = 100
    medium_size_ratio: Percent = 50
    thumbnail_size_ratio: Percent = 30


class ImageUpload(ImageRatios, kw_only=True):
    """A JPEG, PNG, GIF or WebP picture, and how its representations shall be."""

    file: bytes


class Representation(msgspec.Struct, kw_only=True):
    """One encoding of a picture. ``type`` is its MIME type, ``size`` in bytes, sides in pixels."""

    id: str
    url: str
    type: str
    size: int
    width: int
    height: int


class Representations(msgspec.Struct, kw_only=True):
    """What the body of an ``image`` event holds as ``representations``."""

    id: str
    original: Representation
    medium: Representation
    thumbnail: Representation


class ImageRoom:
    """``POST /v1/image``. ``close`` ends the process that reads pictures."""

    def __init__(
        self,
        services: Services,
        files: Files,
        links: MediaLinks,
        worker: ImageWorker,
        *,
        max_bytes: int = MAX_IMAGE,
    ) -> None:
        self._log = services.log
        self._clock = services.clock
        self._ids = services.ids
        self._files = files
        self._links = links
        self._worker = worker
        self._max_bytes = max_bytes

    @route(
        "POST",
        "/image",
        "Stores a picture in three sizes.",
        tag="Image",
        generations=(Generation.V1,),
        body=ImageUpload,
        accepts=(MULTIPART,),
        streamed=True,
        max_body=MAX_FORM,
        creates=True,
        replies=(Answer(200, Representations),),
    )
    async def store_image(self, request: Request[ImageUpload, None]) -> Reply[Representations]:
        """Answers once all three are on the disk. The picture is what its first bytes say, whatever it is called."""
        async with read_upload(request, self._files, "file", self._max_bytes) as upload:
            if upload.file is None:
                raise InvalidInput.of("file", "is required")
            given = {name: value for name, value in upload.fields.items() if value}  # an empty ratio is no ratio
            ratios = read_fields(given, ImageRatios)
            kind = kind_of(await asyncio.to_thread(_head, upload.file.path))
            if kind is None:
                raise InvalidInput.of("file", "must be a JPEG, PNG, GIF or WebP picture")
            rendered = await self._worker.render(
                Job(
                    str(upload.file.path.absolute()),
                    kind,
                    ratios.quality_ratio,
                    {
                        "original": 100,
                        "medium": ratios.medium_size_ratio,
                        "thumbnail": ratios.thumbnail_size_ratio,
                    },
                )
            )
            kept = await self._keep(request, upload, kind, rendered)
        return Reply(200, kept)

    async def _keep(
        self, request: Request[Any, Any], upload: Upload, kind: str, rendered: Sequence[tuple[Head, bytes]]
    ) -> Representations:
        """Keeps the bytes, then the rows; without the rows, not the bytes either. For a repeat, the first one's."""
        items = [self._item(request, upload, kind, head) for head, _data in rendered]
        group_id = self._ids.uuid()
        answer = Representations(
            id=group_id,
            **{
                head.name: Representation(
                    id=item.id,
                    url=self._links.url(item.id),
                    type=item.mime_type,
                    size=head.size,
                    width=head.width,
                    height=head.height,
                )
                for item, (head, _data) in zip(items, rendered, strict=True)
            },
        )

        def insert(connection: Connection) -> Representations:
            insert_media(connection, rows)
            return answer

        kept = None
        try:
            rows = await asyncio.to_thread(self._write, items, [data for _head, data in rendered], group_id)
            kept = await self._log.transact(insert, key=upload.key(request), answer_type=Representations)
        finally:
            if kept is None or kept.id != group_id:
                await asyncio.to_thread(self._files.remove, [item.id for item in items])
        return kept

    def _item(self, request: Request[Any, Any], upload: Upload, kind: str, head: Head) -> Media:
        # The digest is known once the bytes are written.
        info = MediaInfo(etag="", file_name=upload.file_name, owner=owner_of(request), representation=head.name)
        return Media(
            id=self._ids.uuid(),
            application_id=request.application_id,
            mime_type=MIME_TYPES[kind],
            size=head.size,
            info=info,
            created_at=self._clock.now(),
        )

    def _write(self, items: Sequence[Media], parts: Sequence[bytes], group_id: str) -> list[Media]:
        """The rows of what was written. Blocks."""
        rows = []
        for item, data in zip(items, parts, strict=True):
            with self._files.create(MAX_OUTPUT) as incoming:
                incoming.write(data)
                blob = self._files.keep(incoming, item.id)
            info = msgspec.structs.replace(item.info, etag=blob.digest)
            rows.append(msgspec.structs.replace(item, group_id=group_id, info=info))
        return rows

    async def close(self) -> None:
        """Ends the process that reads pictures."""
        await self._worker.close()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAGIC_BYTES)
