"""Media v3: files of an application, and the download of recordings and of pictures' representations."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec
from msgspec import UNSET
from sqlalchemy import Connection

from legato.api.contract import Answer, Auth, Generation, Reply, Request, route
from legato.api.decode import body_decoder
from legato.api.download import BYTES, RangeNotSatisfiable, file_headers, is_unchanged, range_of, send_file
from legato.api.errors import refused
from legato.api.media_views import (
    DownloadQuery,
    MediaChange,
    MediaList,
    MediaPage,
    MediaPageLinks,
    MediaQuery,
    MediaUpload,
    MediaView,
    changed,
    media_view,
)
from legato.api.render.shapes import Link
from legato.api.services import Services
from legato.api.upload import MAX_FORM, MAX_PARTS, MULTIPART, Upload, read_fields, read_upload
from legato.events.moment import parse_iso
from legato.events.refusal import Forbidden, InvalidInput, NotFound, Unauthenticated
from legato.store.files import Files
from legato.store.media import (
    Media,
    MediaInfo,
    count_download,
    insert_media,
    list_media,
    read_media,
    remove_media,
    update_media,
)
from legato.store.media_links import MediaLinks

MAX_MEDIA: Final = 100 * 1024 * 1024  # bytes of one file; an hour of MP3 at 128 kbit/s is 58 MB
MAX_INFO: Final = 64 * 1024  # bytes of a form or object that describes a file
LISTED: Final = 7 * 24 * 3600.0  # seconds; the list begins a week ago unless told (Media API documentation)

FORM: Final = "application/x-www-form-urlencoded"
JSON: Final = "application/json"

_NO_SUCH: Final = "media:error:not-found"
_V3: Final[dict[str, Any]] = {"tag": "Media", "generations": (Generation.V3,)}
_CHANGE: Final[dict[str, Any]] = {
    "body": MediaChange,
    "accepts": (JSON, MULTIPART, FORM),
    "streamed": True,
    "max_body": MAX_INFO,
    "replies": (Answer(204),),
    "codes": (_NO_SUCH,),
}
_DOWNLOAD: Final[dict[str, Any]] = {
    "tag": "Media",
    "auth": Auth.OPTIONAL,
    "query": DownloadQuery,
    "replies": (Answer(200, bytes, media_type=BYTES), Answer(206, bytes, media_type=BYTES), Answer(304)),
    "codes": (_NO_SUCH, "media:error:download-limit", "http:error:range-not-satisfiable"),
}
_MIME_TYPE = re.compile(r"[\w.+-]{1,63}/[\w.+-]{1,63}\Z", re.ASCII)

_read_json = body_decoder(MediaChange)


class MediaRoom:
    """``/v3/media`` and ``/v1/files``. ``account_id`` is the installation's API key."""

    def __init__(
        self, services: Services, files: Files, links: MediaLinks, *, account_id: str, max_bytes: int = MAX_MEDIA
    ) -> None:
        self._log = services.log
        self._clock = services.clock
        self._ids = services.ids
        self._files = files
        self._links = links
        self._account_id = account_id
        self._max_bytes = max_bytes

    @route(
        "GET",
        "/media",
        "Lists an application's files.",
        admin_only=True,
        query=MediaQuery,
        replies=(Answer(200, MediaPage),),
        **_V3,
    )
    async def list_files(self, request: Request[None, MediaQuery]) -> Reply[MediaPage]:
        """One page, newest first unless told otherwise."""
        asked = request.query
        now = self._clock.now()
        start = _time("start_time", asked.start_time, now - LISTED)
        end = _time("end_time", asked.end_time, now)
        items, count = await self._log.read(
            lambda connection: list_media(
                connection,
                request.application_id,
                start=start,
                end=end,
                descending=asked.order == "descending",
                offset=asked.page_index * asked.page_size,
                limit=asked.page_size,
            )
        )
        page = MediaPage(
            page_size=asked.page_size,
            page_index=asked.page_index,
            count=count,
            links=_page_links(self._links.list_url, asked, count),
            embedded=MediaList(media=[media_view(item, self._account_id) for item in items]),
        )
        return Reply(200, page)

    @route(
        "POST",
        "/media",
        "Stores a file.",
        body=MediaUpload,
        accepts=(MULTIPART,),
        streamed=True,
        max_body=MAX_FORM,
        creates=True,
        replies=(Answer(201, MediaView),),
        **_V3,
    )
    async def store_file(self, request: Request[MediaUpload, None]) -> Reply[MediaView]:
        """Answers with where the file is, once it is on the disk."""
        async with read_upload(request, self._files, "filedata", self._max_bytes) as upload:
            item = changed(self._item(request, upload), upload.read(MediaChange))
            kept = await self._keep(request, upload, item)
        location = ((b"location", self._links.url(kept.id).encode()),)
        return Reply(201, media_view(kept, self._account_id), headers=location)

    @route(
        "GET",
        "/media/{media_id}/info",
        "Describes a file.",
        replies=(Answer(200, MediaView),),
        codes=(_NO_SUCH,),
        **_V3,
    )
    async def describe_file(self, request: Request[None, None]) -> Reply[MediaView]:
        """What is known of it."""
        return Reply(200, media_view(await self._find(request), self._account_id))

    @route("PUT", "/media/{media_id}/info", "Changes what is said of a file.", **_CHANGE, **_V3)
    @route("PUT", "/media/{media_id}", "Changes what is said of a file.", **_CHANGE, **_V3)
    async def change_file(self, request: Request[MediaChange, None]) -> Reply[None]:
        """The Node SDK sends JSON to the file itself, the documentation a form to its info: both are taken."""
        change = await _read_change(request)
        item = _own(await self._find(request), request)
        said = msgspec.structs.replace(changed(item, change), updated_at=self._clock.now())
        await self._log.transact(lambda connection: update_media(connection, said))
        return Reply(204)

    @route(
        "DELETE",
        "/media/{media_id}",
        "Deletes a file; the original of a picture takes its other representations with it.",
        replies=(Answer(204),),
        codes=(_NO_SUCH,),
        **_V3,
    )
    async def delete_file(self, request: Request[None, None]) -> Reply[None]:
        """The row goes first, then the bytes."""
        item = _own(await self._find(request), request)
        gone = await self._log.transact(lambda connection: remove_media(connection, item))
        await asyncio.to_thread(self._files.remove, gone)
        return Reply(204)

    @route("GET", "/media/{media_id}", "Downloads a file.", generations=(Generation.V3,), **_DOWNLOAD)
    @route(
        "GET",
        "/files/{media_id}",
        "Downloads a recording or a transcription.",
        generations=(Generation.V1,),
        **_DOWNLOAD,
    )
    async def download_file(self, request: Request[None, DownloadQuery]) -> Reply[None]:
        """Open to the application's tokens, to signed links, and to everybody where the file is public."""
        item = await self._visible(request)
        headers = file_headers(item.mime_type, item.info.file_name, item.info.etag)
        if is_unchanged(request.headers, item.info.etag):
            return Reply(304, headers=headers)
        try:
            part = range_of(request.headers, item.size, item.info.etag)
        except RangeNotSatisfiable as refusal:
            return _unsatisfiable(refusal, request, item)
        try:
            file = await asyncio.to_thread(self._files.open, item.id)
        except FileNotFoundError:
            raise _not_found() from None
        with contextlib.ExitStack() as on_error:
            on_error.callback(file.close)
            # A player fetches one file in many ranges: its first is the download. Where they are limited, all count.
            if part is None or part[0] == 0 or item.info.max_downloads:
                await self._log.transact(lambda connection: count_download(connection, item.id))
            on_error.pop_all()
        return send_file(file, item.size, part, item.mime_type, headers)

    def _item(self, request: Request[Any, Any], upload: Upload) -> Media:
        if upload.file is None:
            raise InvalidInput.of("filedata", "is required")
        declared = upload.content_type.lower()
        return Media(
            id=self._ids.uuid(),
            application_id=request.application_id,
            mime_type=declared if _MIME_TYPE.match(declared) else BYTES,
            size=upload.file.size,
            info=MediaInfo(etag=upload.file.digest, file_name=upload.file_name, owner=owner_of(request)),
            created_at=self._clock.now(),
        )

    async def _keep(self, request: Request[Any, Any], upload: Upload, item: Media) -> Media:
        """Keeps the bytes, then the row; without the row, not the bytes either. For a repeat, the first one's."""

        def insert(connection: Connection) -> Media:
            insert_media(connection, [item])
            return item

        assert upload.file is not None  # noqa: S101 (``_item`` refuses it)
        await asyncio.to_thread(self._files.keep, upload.file, item.id)
        kept = None
        try:
            kept = await self._log.transact(insert, key=upload.key(request), answer_type=Media)
        finally:
            if kept is None or kept.id != item.id:
                await asyncio.to_thread(self._files.remove, [item.id])
        return kept

    async def _find(self, request: Request[Any, Any]) -> Media:
        media_id = request.params["media_id"]
        item = await self._log.read(lambda connection: read_media(connection, media_id))
        if item is None or item.application_id != request.application_id:
            raise _not_found()
        return item

    async def _visible(self, request: Request[None, DownloadQuery]) -> Media:
        media_id, query, caller = request.params["media_id"], request.query, request.caller
        item = await self._log.read(lambda connection: read_media(connection, media_id))
        if query.signature is not None and query.expires is not None:
            owner = "" if item is None else item.application_id
            if not self._links.opens(media_id, owner, query.expires, query.signature, self._clock.now()):
                raise Forbidden("The link is over, or was not made here.")
        elif caller is None:
            if item is None or not item.info.public:
                raise Unauthenticated("A token is required.")
        elif item is not None and item.application_id != caller.application_id and not item.info.public:
            raise _not_found()
        if item is None:
            raise _not_found()
        return item


def owner_of(request: Request[Any, Any]) -> str | None:
    """The user whose token it is; None for an application's own."""
    user = request.principal.user
    return None if user is None else user.id


def _own(item: Media, request: Request[Any, Any]) -> Media:
    """A user changes what that user sent; the application's own token changes everything of the application."""
    user = owner_of(request)
    if user is not None and user != item.info.owner:
        raise Forbidden("The file was sent by somebody else.")
    return item


async def _read_change(request: Request[MediaChange, None]) -> MediaChange:
    declared = request.headers.get(b"content-type", JSON.encode()).split(b";", 1)[0].strip().lower().decode("latin-1")
    if declared == MULTIPART:
        async with read_upload(request, None, "", 0) as form:
            return form.read(MediaChange)
    raw = b"".join([chunk async for chunk in request.chunks()])
    return _read_form(raw) if declared == FORM else _read_json(raw)


def _read_form(raw: bytes) -> MediaChange:
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARTS)
    except ValueError as error:
        raise InvalidInput("The form cannot be read.") from error
    return read_fields(dict(pairs), MediaChange)


def _time(name: str, text: str | None, otherwise: float) -> float:
    if text is None:
        return otherwise
    try:
        return parse_iso(text)
    except (ValueError, OverflowError) as error:
        raise InvalidInput.of(name, "must be an ISO 8601 time") from error


def _page_links(url: str, asked: MediaQuery, count: int) -> MediaPageLinks:
    given = {"order": asked.order, "start_time": asked.start_time, "end_time": asked.end_time}
    kept = {name: value for name, value in given.items() if value is not None}

    def link(index: int) -> Link:
        return Link(f"{url}?{urlencode({'page_size': asked.page_size, 'page_index': index} | kept)}")

    last = max(0, (count - 1) // asked.page_size)
    return MediaPageLinks(
        self=link(asked.page_index),
        first=link(0),
        last=link(last),
        prev=link(asked.page_index - 1) if asked.page_index > 0 else UNSET,
        next=link(asked.page_index + 1) if asked.page_index < last else UNSET,
    )


def _unsatisfiable(refusal: RangeNotSatisfiable, request: Request[Any, Any], item: Media) -> Reply[Any]:
    reply = refused(refusal, request.generation)
    length = ((b"content-range", f"bytes */{item.size}".encode()),)  # RFC 9110 15.5.17
    return Reply(reply.status, reply.body, headers=(*reply.headers, *length), media_type=reply.media_type)


def _not_found() -> NotFound:
    return NotFound(_NO_SUCH, "There is no such file, or you do not have access.")
