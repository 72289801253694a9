"""``legato backup`` and ``legato restore`` in an installation where no server runs."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy import Connection, create_engine, inspect

from legato.events.ids import RandomIds
from legato.installation import Installation
from legato.store import Store
from legato.store.files import Files
from legato.store.media import Media, MediaInfo, insert_media, read_media, remove_media
from legato.store.migrate import bring_to
from legato.store.schema import metadata
from legato.testing.postgres import Cluster
from legato.testing.waiting import poll

from .shell import Shell

DATA = Path(".legato")
SECONDS = 30.0
MANIFEST = "manifest.json"


async def _in_store(url: str, work: Callable[[Connection], Any]) -> Any:
    store = Store(url)
    await store.open()
    try:
        return await store.write(work)
    finally:
        await store.close()


def keep(url: str, application_id: str, *contents: bytes) -> list[str]:
    """Files as a server keeps them: bytes, then rows. Their ids in order."""
    files, ids = Files(DATA / "files"), RandomIds()
    items = []
    for content in contents:
        with files.create(len(content)) as incoming:
            incoming.write(content)
            blob = files.keep(incoming, ids.uuid())
        what = {"id": blob.id, "application_id": application_id, "mime_type": "a/b", "created_at": 1.0}
        items.append(Media(**what, size=blob.size, info=MediaInfo(etag=blob.digest)))  # type: ignore[arg-type]
    asyncio.run(_in_store(url, lambda connection: insert_media(connection, items)))
    return sorted(item.id for item in items)


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def write(archive: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w") as tar:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, BytesIO(content))
    return archive


def honest(contents: dict[str, bytes], **changes: Any) -> dict[str, bytes]:
    """An archive whose sums and manifest are right about what it holds, but for ``changes``."""
    manifest = msgspec.json.decode(contents[MANIFEST])
    rest = {name: content for name, content in contents.items() if name not in ("SHA256SUMS", MANIFEST)}
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in rest.items()).encode()
    manifest |= {"sums": hashlib.sha256(sums).hexdigest(), **changes}
    return {**rest, "SHA256SUMS": sums, MANIFEST: msgspec.json.encode(manifest)}


@pytest.fixture
def archive(shell: Shell) -> Path:
    """An installation in use, and its backup."""
    application_id = shell.application()
    shell.done("user", "create", "alice")
    keep("sqlite:///.legato/legato.db", application_id, b"one", b"two")
    return Path(shell.done("backup", ".").out.strip())


def move_away(shell: Shell) -> None:
    """An empty installation from now on."""
    DATA.rename(shell.directory / "gone")


def test_an_installation_comes_back_as_it_was(shell: Shell, new_empty_database_url: Callable[[], str]) -> None:
    url = new_empty_database_url()
    shell.set(database_url=url)
    application_id = shell.application()
    shell.done("user", "create", "alice", "--display-name", 'A "quoted", line\nand \\ more')
    ids = keep(url, application_id, b"one", b"")
    commands = (("app", "list"), ("user", "list"), ("account", "show"))
    before = [shell.done(*command, "--json").json for command in commands]
    key = Installation(DATA).key(application_id)
    made = shell.done("backup", "kept.tar", "--json").json
    assert (made["path"], made["files"], made["file_bytes"], made["keys"]) == ("kept.tar", 2, 3, 1)
    assert (made["deleted"], made["missing"], made["rows"]["users"]) == ([], 0, 1)

    move_away(shell)
    shell.set(database_url=new_empty_database_url())
    shell.done("restore", "kept.tar")
    assert [shell.done(*command, "--json").json for command in commands] == before
    assert Installation(DATA).key(application_id) == key
    assert sorted(Files(DATA / "files").ids()) == ids
    assert {Files(DATA / "files").path(one).read_bytes() for one in ids} == {b"one", b""}
    assert {
        level for level in (each["level"] for each in shell.done("doctor", "--json").json) if level == "error"
    } == set()


def test_an_archive_is_its_owners_alone_and_nothing_is_written_over(shell: Shell, archive: Path) -> None:
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    before = archive.read_bytes()
    assert "exists already" in shell.refused("backup", str(archive))
    assert archive.read_bytes() == before
    assert [path.name for path in Path().iterdir() if path.name.startswith(".legato-")] == []


def test_an_archive_can_be_looked_at_with_common_tools(shell: Shell, archive: Path) -> None:
    subprocess.run(["tar", "-xf", archive], check=True)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], check=True)
    assert len((shell.directory / "SHA256SUMS").read_text().splitlines()) == 4  # the database, a key, two files
    with sqlite3.connect("database/legato.db") as copy:
        assert copy.execute("SELECT name FROM users").fetchall() == [("alice",)]


def test_what_is_here_goes_only_when_that_is_said(shell: Shell, archive: Path) -> None:
    shell.done("user", "create", "bob")
    for remains in ("the database is not empty", "private keys", "holds files"):
        said = shell.refused("restore", str(archive))
        assert remains in said
        assert "--replace" in said
        if remains == "the database is not empty":
            assert len(shell.done("user", "list", "--json").json) == 2
            (DATA / "legato.db").rename("aside.db")
        elif remains == "private keys":
            (DATA / "keys").rename("keys")
    Path("aside.db").rename(DATA / "legato.db")
    other = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
    Installation(DATA).save_key(other, "of an application that is not in the archive")
    shell.done("restore", str(archive), "--replace")
    assert [each["name"] for each in shell.done("user", "list", "--json").json] == ["alice"]
    assert other not in Installation(DATA).applications()


def test_a_database_of_postgresql_is_replaced_as_a_whole_or_not_at_all(shell: Shell, postgres: Cluster) -> None:
    shell.set(database_url=postgres.database())
    shell.application("First")
    archive = shell.done("backup", ".").out.strip()
    shell.application("Second")
    fewer = members(Path(archive))
    fewer["database/users.csv"] = b"id,no_such_column\n"
    broken = write(Path("broken.tar"), honest(fewer))
    assert "no_such_column" in shell.refused("restore", "--replace", str(broken))
    assert len(shell.done("app", "list", "--json").json) == 2
    shell.done("restore", "--replace", archive)
    assert [each["name"] for each in shell.done("app", "list", "--json").json] == ["First"]


def test_rows_that_a_database_numbers_are_numbered_on(shell: Shell, new_empty_database_url: Callable[[], str]) -> None:
    def fail(connection: Connection) -> int:
        letter = {"endpoint_id": "x", "webhook_id": "x", "stream": "x", "event_type": "x", "at": 1.0, "reason": "x"}
        statement = metadata.tables["dead_letters"].insert().values(**letter, attempts=1)
        return int(connection.execute(statement).inserted_primary_key[0])  # type: ignore[index]

    url = new_empty_database_url()
    shell.set(database_url=url)
    assert [asyncio.run(_in_store(url, fail)) for _ in range(3)] == [1, 2, 3]
    shell.done("backup", "kept.tar")
    if DATA.exists():
        move_away(shell)
    url = new_empty_database_url()
    shell.set(database_url=url)
    shell.done("restore", "kept.tar")
    assert asyncio.run(_in_store(url, fail)) == 4


def test_no_restored_row_lacks_its_bytes_when_files_are_deleted_meanwhile(
    shell: Shell, new_empty_database_url: Callable[[], str]
) -> None:
    url = new_empty_database_url()
    shell.set(database_url=url)
    application_id = shell.application()
    waits, deleted, lost, stays = keep(url, application_id, b"1", b"2", b"3", b"4")
    # A pipe in the place of the first file: the backup waits there until somebody writes to it.
    files = Files(DATA / "files")
    files.path(waits).unlink()
    os.mkfifo(files.path(waits))
    done: list[Any] = []
    backup = threading.Thread(target=lambda: done.append(run_backup()))
    backup.start()
    poll(lambda: any(Path().glob(".legato-backup-*/media.ids")), SECONDS, "the database is copied")
    item = asyncio.run(_in_store(url, lambda connection: read_media(connection, deleted)))
    files.remove(asyncio.run(_in_store(url, lambda connection: remove_media(connection, item))))
    files.path(lost).unlink()  # what no server does
    files.path(waits).open("wb").close()
    backup.join()
    (ran,) = done
    assert ran.returncode == 0, ran.stderr
    assert "1 files whose bytes are not in" in ran.stderr
    manifest = msgspec.json.decode(members(Path("kept.tar"))[MANIFEST])
    assert (manifest["deleted"], manifest["missing"], manifest["files"]) == ([deleted], 1, 2)

    move_away(shell)
    url = new_empty_database_url()
    shell.set(database_url=url)
    shell.done("restore", "kept.tar")
    rows = {one: asyncio.run(_in_store(url, lambda c, one=one: read_media(c, one))) for one in (deleted, lost, stays)}
    assert rows[deleted] is None
    assert rows[stays] is not None
    assert Files(DATA / "files").path(stays).read_bytes() in (b"1", b"2", b"3", b"4")
    assert rows[lost] is not None  # as it was


def run_backup() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "legato", "backup", "kept.tar"], capture_output=True, text=True, check=False
    )


def test_an_archive_that_was_cut_short_is_refused(shell: Shell, archive: Path) -> None:
    move_away(shell)
    size = archive.stat().st_size
    for kept in (size * 2 // 3, size // 10 // 512 * 512, 0):
        os.truncate(archive, kept)
        for options in ((), ("--check",)):
            said = shell.refused("restore", str(archive), *options)
            assert "not whole" in said or "cannot be read" in said
    assert not DATA.exists()


def test_a_damaged_archive_is_refused_by_the_name_of_what_is_damaged(shell: Shell, archive: Path) -> None:
    contents = members(archive)
    name = next(name for name in contents if name.startswith("files/"))
    move_away(shell)
    contents[name] = contents[name][::-1]
    assert name in shell.refused("restore", str(write(Path("turned.tar"), contents)))
    del contents[name]
    assert "damaged" in shell.refused("restore", str(write(Path("fewer.tar"), contents)))
    assert not DATA.exists()


def test_an_archive_that_does_not_fit_is_refused(shell: Shell, archive: Path) -> None:
    move_away(shell)
    contents = members(archive)
    unfit: list[tuple[dict[str, Any], str]] = [
        ({"revision": "9999"}, "at revision 9999, which this build does not know"),
        ({"store": "postgresql"}, "is of postgresql, and this installation's database is sqlite"),
        ({"format": 2}, "of a format that this build does not know"),
        ({"files": 7}, "does not hold what its manifest.json says"),
        ({"rows": {"users": 2}}, "rows of users"),
        ({"rows": None}, "cannot be read"),
    ]
    for changes, said in unfit:
        assert said in shell.refused("restore", str(write(Path("other.tar"), honest(contents, **changes))))
    assert not (DATA / "legato.db").exists()


def test_a_name_that_does_not_belong_is_refused(shell: Shell, archive: Path) -> None:
    move_away(shell)
    contents = members(archive)
    for name in ("../out", "/etc/out", "files/aa/../../out", "keys/x.pem", "database/x.sql", "more"):
        foreign = write(Path("foreign.tar"), honest({name: b"x", **contents}))
        assert "does not belong" in shell.refused("restore", str(foreign))
    assert not DATA.exists()


def test_a_link_in_an_archive_is_refused(shell: Shell, archive: Path) -> None:
    move_away(shell)
    with tarfile.open("links.tar", "w") as tar:
        info = tarfile.TarInfo("files/aa/aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert "does not belong" in shell.refused("restore", "links.tar")


def test_an_archive_of_an_older_revision_is_brought_forward(
    shell: Shell, new_empty_database_url: Callable[[], str]
) -> None:
    url = new_empty_database_url()
    shell.set(database_url=url)
    engine = create_engine(url)
    Path(".legato").mkdir()
    with engine.begin() as connection:
        bring_to(connection, "0001")
        connection.exec_driver_sql("INSERT INTO counters (name, value) VALUES ('kept', 7)")
    engine.dispose()
    made = shell.done("backup", "old.tar", "--json").json
    assert (made["revision"], made["rows"]["counters"]) == ("0001", 1)
    assert "lanes" not in made["rows"]
    shell.set(database_url=new_empty_database_url())
    shell.done("restore", "old.tar")
    assert "the newest" in shell.done("db", "upgrade").err
    made = shell.done("backup", "new.tar", "--json").json
    assert made["revision"] > "0001"
    assert made["rows"]["counters"] == 1


def test_there_has_to_be_something_to_back_up(shell: Shell, store: str, empty_database_url: str) -> None:
    if store == "postgresql":
        shell.set(database_url=empty_database_url)
    assert "nothing to copy" in shell.refused("backup", "none.tar")
    assert "cannot be read" in shell.refused("restore", "none.tar")
    assert "nowhere" in shell.refused("backup", "nowhere/none.tar")


def test_a_database_that_does_not_answer_is_told_without_its_password(shell: Shell) -> None:
    shell.set(database_url="postgresql://somebody:hush@127.0.0.1:1/nothing")
    said = shell.refused("backup", "none.tar")
    assert "cannot be copied" in said
    assert "hush" not in said
    assert not Path("none.tar").exists()


def test_a_database_of_a_newer_legato_is_not_backed_up(shell: Shell, archive: Path) -> None:
    with sqlite3.connect(DATA / "legato.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "at revision 9999" in shell.refused("backup", "newer.tar")


def test_nothing_is_restored_under_a_running_server(shell: Shell, archive: Path, postgres: Cluster) -> None:
    place = Installation(DATA, DATA / "legato.db.lock")
    with place.claimed():
        assert "in use" in shell.refused("restore", "--replace", str(archive))
    shell.set(database_url=postgres.database())
    made = members(archive)
    with psycopg.connect(os.environ["LEGATO_DATABASE_URL"].replace("+psycopg", ""), application_name="elsewhere"):
        other = write(Path("other.tar"), honest(made, store="postgresql"))
        assert "in use by elsewhere from 127.0.0.1" in shell.refused("restore", "--replace", str(other))


def test_what_root_restores_belongs_to_the_owner_of_the_data_directory(shell: Shell, archive: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    move_away(shell)
    DATA.mkdir(mode=0o700)
    os.chown(DATA, 4242, 4242)
    shell.done("restore", str(archive))
    written = [path for path in DATA.rglob("*") if path.parent.name != "" and not path.name.endswith(".lock")]
    assert {path.stat().st_uid for path in written} == {4242}
    secrets = [DATA / "legato.db", *(DATA / "keys").iterdir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}


def test_every_table_that_any_revision_has_is_saved(tmp_path: Path) -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from legato.store import migrate

    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    for script in ScriptDirectory.from_config(config).walk_revisions():
        engine = create_engine(f"sqlite:///{tmp_path / script.revision}.db")
        with engine.begin() as connection:
            bring_to(connection, script.revision)
            assert set(inspect(connection).get_table_names()) <= {*metadata.tables, "alembic_version"}
        engine.dispose()
