"""Blobs on disk."""

from __future__ import annotations

import hashlib
import os
import resource
from pathlib import Path

import pytest

from legato.events.ids import RandomIds
from legato.store.files import ORPHAN_AGE, Files, StorageFull, TooLarge

new_id = RandomIds().uuid
A_NAME = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "media")


def kept(files: Files, data: bytes) -> str:
    blob_id = new_id()
    with files.create(limit=1000) as incoming:
        incoming.write(data)
        files.keep(incoming, blob_id)
    return blob_id


def test_what_was_written_is_read_back(files: Files) -> None:
    blob_id = new_id()
    with files.create(limit=10) as incoming:
        incoming.write(b"hello")
        incoming.write(b" you")
        blob = files.keep(incoming, blob_id)
    assert (blob.size, blob.digest) == (9, hashlib.sha256(b"hello you").hexdigest())
    with files.open(blob_id) as stored:
        assert stored.read() == b"hello you"


def test_a_blob_of_exactly_its_bound_is_taken_and_one_byte_more_is_not(files: Files) -> None:
    with files.create(limit=4) as incoming:
        incoming.write(b"1234")
        with pytest.raises(TooLarge):
            incoming.write(b"5")
        assert incoming.path.stat().st_size == 4


def test_a_full_disk_is_told_and_leaves_nothing(files: Files, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, hard))  # as good as a disk of that size
    try:
        with files.create(limit=10_000_000) as incoming, pytest.raises(StorageFull):
            incoming.write(b"x" * 6_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_what_is_not_kept_leaves_nothing(files: Files, tmp_path: Path) -> None:
    with files.create(limit=10) as incoming:
        incoming.write(b"half")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_the_bytes_and_the_name_are_synced_before_keep_returns(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def recording(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recording)
    with files.create(limit=10) as incoming:
        incoming.write(b"x")
        blob = files.keep(incoming, new_id())
    assert synced == [incoming.path.name, "media", blob.id[:2]]


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "..", "a" * 36, "0" * 36, A_NAME.upper(), A_NAME + "\n"])
def test_a_name_that_is_no_uuid_has_no_path(files: Files, name: str) -> None:
    with pytest.raises(ValueError, match="UUID"):
        files.path(name)


def test_a_removed_blob_can_be_read_to_its_end_by_who_has_it_open(files: Files) -> None:
    blob_id = kept(files, b"bytes")
    with files.open(blob_id) as stored:
        files.remove([blob_id, new_id()])
        assert stored.read() == b"bytes"
    with pytest.raises(FileNotFoundError):
        files.open(blob_id)


def test_the_sweep_removes_old_blobs_that_no_row_names_and_no_others(files: Files) -> None:
    named, orphan, young = (kept(files, b"x") for _ in range(3))
    unfinished = files.create(limit=10)
    now = files.path(young).stat().st_mtime + ORPHAN_AGE / 2
    for path in (files.path(named), files.path(orphan), unfinished.path):
        os.utime(path, (now - ORPHAN_AGE - 1, now - ORPHAN_AGE - 1))
    asked: list[str] = []

    def known(ids: list[str]) -> set[str]:
        asked.extend(ids)
        return {named}

    assert files.sweep(known, now=now) == 2
    assert set(files.ids()) == {named, young}
    assert set(asked) == {named, orphan}
    assert not unfinished.path.exists()
    unfinished.discard()
