"""Media: what is known of each file whose bytes ``legato.store.files`` holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from legato.events.refusal import Forbidden
from legato.store.schema import media

ORIGINAL: Final = "original"  # the representation whose removal takes the others with it


class MediaInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said about a file. ``etag`` is the SHA-256 of its bytes; ``owner`` the user (USR id) who sent it.

    ``max_downloads`` of 0 is no limit. ``representation`` is set on the files of a picture.
    """

    etag: str
    file_name: str = ""
    owner: str | None = None
    representation: str | None = None
    max_downloads: int = 0
    public: bool = False
    title: str = ""
    description: str = ""
    metadata_primary: str = ""
    metadata_secondary: str = ""


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """A file. ``size`` in bytes, times in seconds since 1970; the representations of one picture share ``group_id``."""

    id: str
    application_id: str
    mime_type: str
    size: int
    info: MediaInfo
    created_at: float
    group_id: str | None = None
    times_downloaded: int = 0
    updated_at: float | None = None


def insert_media(connection: Connection, items: Sequence[Media]) -> None:
    """Writes the rows of files whose bytes are already kept."""
    connection.execute(
        insert(media), [msgspec.structs.asdict(i) | {"info": msgspec.to_builtins(i.info)} for i in items]
    )


def read_media(connection: Connection, media_id: str) -> Media | None:
    """The file, whoever's it is."""
    row = connection.execute(select(media).where(media.c.id == media_id)).one_or_none()
    return None if row is None else _media(row)


def list_media(
    connection: Connection,
    application_id: str,
    *,
    start: float,
    end: float,
    descending: bool,
    offset: int,
    limit: int,
) -> tuple[list[Media], int]:
    """One page of an application's files made from ``start`` up to and including ``end``, and how many there are."""
    chosen = (media.c.application_id == application_id) & media.c.created_at.between(start, end)
    order = [column.desc() if descending else column.asc() for column in (media.c.created_at, media.c.id)]
    rows = connection.execute(select(media).where(chosen).order_by(*order).offset(offset).limit(limit))
    count = connection.execute(select(func.count()).select_from(media).where(chosen)).scalar_one()
    return [_media(row) for row in rows], count


def update_media(connection: Connection, item: Media) -> None:
    """Writes what may change: the info and the type."""
    connection.execute(
        update(media)
        .where(media.c.id == item.id)
        .values(info=msgspec.to_builtins(item.info), mime_type=item.mime_type, updated_at=item.updated_at)
    )


def count_download(connection: Connection, media_id: str) -> None:
    """Counts one download. Raises Forbidden (``media:error:download-limit``) when all that are allowed are used.

    Call it in a write transaction: two last downloads cannot both be counted.
    """
    row = connection.execute(select(media).where(media.c.id == media_id).with_for_update()).one_or_none()
    if row is None:
        return
    item = _media(row)
    if 0 < item.info.max_downloads <= item.times_downloaded:
        raise Forbidden("The file has been downloaded as often as allowed.", code="media:error:download-limit")
    connection.execute(update(media).where(media.c.id == media_id).values(times_downloaded=item.times_downloaded + 1))


def remove_media(connection: Connection, item: Media) -> list[str]:
    """Removes the row, and with an original those of its other representations. The ids whose bytes may go now."""
    chosen = media.c.id == item.id
    if item.group_id is not None and item.info.representation == ORIGINAL:
        chosen = or_(chosen, media.c.group_id == item.group_id)
    return list(connection.execute(delete(media).where(chosen).returning(media.c.id)).scalars())


def known_media(connection: Connection, ids: Iterable[str]) -> set[str]:
    """Which of ``ids`` have a row."""
    return set(connection.execute(select(media.c.id).where(media.c.id.in_(list(ids)))).scalars())


def _media(row: Row[Any]) -> Media:
    return msgspec.convert(row, Media, from_attributes=True)
