"""``legato backup`` under load, and ``legato restore`` of what it made, as the page about operating says."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

from legato.testing.postgres import Cluster
from legato.testing.server import Application, Server
from legato.testing.session import Session

from .load import Room, Writers, check_log

PAGE: Final = (Path(__file__).parents[2] / "docs/operating.md").read_text()
NAMES: Final = ["ada", "ben", "cay", "dov"]


async def upload(server: Server, application: Application, data: bytes) -> str:
    """A new file's id."""
    form = aiohttp.FormData()
    form.add_field("filedata", data, filename="a.bin", content_type="application/octet-stream")
    headers = {"Authorization": f"Bearer {application.token()}"}
    async with aiohttp.ClientSession() as http, http.post(f"{server.url}/v3/media", data=form, headers=headers) as sent:
        assert sent.status == 201, await sent.text()
        return str((await sent.json())["id"])


async def download(server: Server, application: Application, media_id: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {application.token()}"}
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/v3/media/{media_id}", headers=headers) as got:
        return got.status, await got.read()


def as_the_page_says(what: str, data: Path, backups: Path, url: str) -> str:
    """What a command of the page says, with this test's directories and database."""
    (script,) = re.findall(rf"<!-- {what} -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    script = script.replace("/opt/legato/bin/legato", f"{sys.executable} -m legato")
    script = script.replace("/var/lib/legato", str(data)).replace("/backup", str(backups))
    for archive in backups.glob("legato-*.tar"):  # there is one, of another moment than the page's
        script = re.sub(r"legato-\w+\.tar", archive.name, script)
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "LEGATO_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


async def test_what_was_acknowledged_before_a_backup_began_is_there_after_its_restore(
    make_server: Callable[..., Server], tmp_path: Path, store: str, database_url: str, request: Any
) -> None:
    data, elsewhere, backups = tmp_path / "data", tmp_path / "elsewhere", tmp_path / "backups"
    backups.mkdir()
    url = database_url if store == "postgresql" else f"sqlite:///{data / 'legato.db'}"
    server = make_server(database_url=url, settings={"LEGATO_DATA_DIR": str(data)})
    application = server.application()
    for name in NAMES:
        server.user(application, name)
    rooms = [Room.make(server, application, NAMES) for _ in range(2)]
    files: dict[str, bytes] = {}
    uploading = True

    async def keep_uploading() -> None:
        while uploading:
            content = os.urandom(20_000)
            files[await upload(server, application, content)] = content

    async with Writers(server, application, rooms) as writers:
        uploads = asyncio.create_task(keep_uploading())
        await writers.more(50)
        while not files:
            await writers.more(10)
        texts = {cid: dict(ledger) for cid, ledger in writers.acknowledged.items()}
        kept = dict(files)
        path = await asyncio.to_thread(as_the_page_says, "backup", data, backups, url)
        await writers.more(50)
        uploading = False
        await uploads
    server.stop()
    assert kept

    (archive,) = backups.iterdir()
    assert str(archive) == path.strip()
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    if store == "postgresql":
        cluster: Cluster = request.getfixturevalue("postgres")
        url = cluster.database()
    else:
        url = f"sqlite:///{elsewhere / 'legato.db'}"
    await asyncio.to_thread(as_the_page_says, "restore", elsewhere, backups, url)

    restored = make_server(database_url=url, settings={"LEGATO_DATA_DIR": str(elsewhere)})
    writers.server = restored
    for room in rooms:
        posted = writers.acknowledged[room.cid]
        writers.acknowledged[room.cid] = texts[room.cid]
        writers.unanswered |= set(posted.values()) - set(texts[room.cid].values())
        log = check_log(writers, room)
        said = restored.request(
            "POST",
            f"/v1/conversations/{room.cid}/events",
            {"type": "text", "body": {"text": "and on"}},
            token=application.token("ada"),
        )
        assert said.body["id"] == len(log) + 1
    for media_id, content in kept.items():
        assert await download(restored, application, media_id) == (200, content)
    listed = restored.request("GET", "/v3/media?page_size=100", token=application.token()).body["_embedded"]["media"]
    for row in listed:
        assert await download(restored, application, row["id"]) == (200, files[row["id"]])
    session = await Session(restored.url, application.token("ada")).login()
    await session.close()
    restored.stop()
