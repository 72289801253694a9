"""Media v3 on the wire: what a caller sends and reads."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from legato.api.render.shapes import Link
from legato.events.moment import iso
from legato.store.media import Media

STORE_ID: Final = "local"  # the platform names the store a file lies in; here is one

Short = Annotated[str, Meta(max_length=255)]
Long = Annotated[str, Meta(max_length=4096)]
MimeType = Annotated[str, Meta(max_length=127, pattern=r"^[\w.+-]+/[\w.+-]+$")]
Downloads = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class MediaView(msgspec.Struct, kw_only=True):
    """A file as it is listed. ``media_size`` in bytes; ``max_downloads_allowed`` of 0 is no limit."""

    id: str
    original_file_name: str
    mime_type: str
    account_id: str
    store_id: str
    max_downloads_allowed: int
    times_downloaded: int
    etag: str
    media_size: int
    time_created: str
    time_last_updated: str
    public: bool
    title: str
    description: str
    metadata_primary: str
    metadata_secondary: str


class MediaList(msgspec.Struct, kw_only=True):
    """The files of one page."""

    media: list[MediaView]


class MediaPageLinks(msgspec.Struct, kw_only=True, omit_defaults=True):
    """``prev`` and ``next`` are absent at the ends."""

    self: Link
    first: Link
    last: Link
    prev: Link | UnsetType = UNSET
    next: Link | UnsetType = UNSET


class MediaPage(msgspec.Struct, kw_only=True):
    """One page; ``count`` is of all pages together."""

    page_size: int
    page_index: int
    count: int
    links: MediaPageLinks = msgspec.field(name="_links")
    embedded: MediaList = msgspec.field(name="_embedded")


class MediaQuery(msgspec.Struct, kw_only=True):
    """Which files, by ISO 8601 times, and which page of them, counted from 0."""

    order: Literal["ascending", "descending"] = "descending"
    page_index: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    page_size: Annotated[int, Meta(ge=1, le=100)] = 20
    start_time: Annotated[str, Meta(max_length=40)] | None = None
    end_time: Annotated[str, Meta(max_length=40)] | None = None


class DownloadQuery(msgspec.Struct, kw_only=True):
    """Both are set in a signed link and absent otherwise."""

    expires: Annotated[int, Meta(ge=0, le=10**12)] | None = None
    signature: Annotated[str, Meta(max_length=64)] | None = None


class MediaChange(msgspec.Struct, kw_only=True):
    """What may be said of a file; what is absent stays as it is."""

    public: bool | UnsetType = UNSET
    title: Short | UnsetType = UNSET
    description: Long | UnsetType = UNSET
    mime_type: MimeType | UnsetType = UNSET
    max_downloads_allowed: Downloads | UnsetType = UNSET
    metadata_primary: Long | UnsetType = UNSET
    metadata_secondary: Long | UnsetType = UNSET


class MediaUpload(MediaChange, kw_only=True):
    """A file and what is said of it."""

    filedata: bytes


def media_view(item: Media, account_id: str) -> MediaView:
    """The file as the API shows it."""
    info = item.info
    return MediaView(
        id=item.id,
        original_file_name=info.file_name,
        mime_type=item.mime_type,
        account_id=account_id,
        store_id=STORE_ID,
        max_downloads_allowed=info.max_downloads,
        times_downloaded=item.times_downloaded,
        etag=info.etag,
        media_size=item.size,
        time_created=iso(item.created_at),
        time_last_updated=iso(item.updated_at or item.created_at),
        public=info.public,
        title=info.title,
        description=info.description,
        metadata_primary=info.metadata_primary,
        metadata_secondary=info.metadata_secondary,
    )


def changed(item: Media, change: MediaChange) -> Media:
    """The file with what the caller says of it."""
    said = {name: value for name, value in msgspec.structs.asdict(change).items() if value is not UNSET}
    mime_type = said.pop("mime_type", item.mime_type)
    if "max_downloads_allowed" in said:
        said["max_downloads"] = said.pop("max_downloads_allowed")
    return msgspec.structs.replace(item, mime_type=mime_type, info=msgspec.structs.replace(item.info, **said))
