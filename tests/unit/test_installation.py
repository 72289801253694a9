"""The data directory: one holder, what it announces, and private keys."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from legato import installation
from legato.installation import Announcement, Installation, InUseError

APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
SERVER = Announcement(1, "http://127.0.0.1:1", "abcd1234", "local")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    monkeypatch.setattr(installation, "WAIT_SECONDS", 0.1)
    return Installation(tmp_path / "data")


def test_only_one_has_the_directory(place: Installation) -> None:
    claim = place.claim()
    with pytest.raises(InUseError, match="in use already"):
        place.claim()
    claim.release()
    claim.release()
    with place.claimed(), pytest.raises(InUseError):
        place.claim()
    place.claim().release()


def test_servers_on_a_shared_database_share_it_but_not_with_a_lone_one(place: Installation) -> None:
    first, second = place.claim(shared=True), place.claim(shared=True)
    with pytest.raises(InUseError):
        place.claim()
    first.release()
    second.release()
    place.claim().release()


def test_a_server_is_found_while_it_runs_and_not_after(place: Installation) -> None:
    assert place.server() is None
    claim = place.claim()
    claim.announce(Announcement(2, "http://127.0.0.1:2" + "x" * 100, "abcd1234", "longer"))
    claim.announce(SERVER)
    assert place.server() == SERVER
    with pytest.raises(InUseError, match=r"http://127\.0\.0\.1:1"):
        place.claim()
    claim.release()
    assert place.server() is None


def test_a_server_that_has_not_said_where_it_answers_is_waited_for_in_vain(place: Installation) -> None:
    with place.claimed(), pytest.raises(InUseError) as taken:
        place.server()
    assert taken.value.announcement is None


def test_what_a_killed_server_said_does_not_count(place: Installation, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from legato.installation import *\n"
        "claim = Installation(Path(sys.argv[1])).claim()\n"
        "claim.announce(Announcement(1, 'http://127.0.0.1:1', 'abcd1234', 'local'))\n"
        "print('there', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(place.data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        assert place.server() == SERVER
        process.kill()
        process.wait()
    assert place.server() is None
    place.claim().release()


def test_nobody_else_can_read_what_is_kept(place: Installation) -> None:
    with place.claimed():
        path = place.save_key(APPLICATION, "pem")
    for each, mode in ((path, 0o600), (path.parent, 0o700), (place.data_dir, 0o700)):
        assert each.stat().st_mode & 0o777 == mode
    assert (place.data_dir / "legato.lock").stat().st_mode & 0o777 == 0o600
    assert "local" not in repr(SERVER)


def test_keys_are_kept_replaced_and_forgotten(place: Installation) -> None:
    assert place.applications() == []
    assert place.key(APPLICATION) is None
    place.save_key(APPLICATION, "one")
    place.save_key(APPLICATION, "two")
    assert place.key(APPLICATION) == "two"
    other = APPLICATION.replace("a", "c")
    os.utime(place.save_key(other, "three"), (1, 1))
    assert place.applications() == [other, APPLICATION]
    place.forget_key(APPLICATION)
    place.forget_key(APPLICATION)
    assert place.applications() == [other]


def test_what_is_no_id_is_no_path(place: Installation) -> None:
    for text in ("", "../../etc/passwd", APPLICATION.upper(), APPLICATION + "/x"):
        with pytest.raises(ValueError, match="not an application's id"):
            place.save_key(text, "pem")
