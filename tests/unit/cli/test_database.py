"""Commands while no server runs: they work in the database itself."""

from __future__ import annotations

import asyncio
import contextlib
import io
import sqlite3
from pathlib import Path

import pytest

from legato.auth import Authenticator, Principal, StoredDirectory
from legato.events.moment import SystemClock
from legato.events.refusal import Unauthenticated
from legato.installation import Announcement, Installation
from legato.store import Store

from .shell import Shell

UNKNOWN = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"


async def _bearer(url: str, token: str) -> Principal:
    """Who a server on this database would say the token's bearer is."""
    store = Store(url)
    await store.open()
    try:
        return await Authenticator(StoredDirectory(store.read), SystemClock(), api_key="x").authenticate(token)
    finally:
        await store.close()


def test_an_application_a_user_and_a_token_that_the_server_will_accept(shell: Shell, database_url: str) -> None:
    shell.set(database_url=database_url)
    application_id = shell.application()
    user_id = shell.done("user", "create", "alice", "--display-name", "Alice A", "--json").json["id"]
    token = shell.done("token", "alice", "--ttl", "60").out.strip()
    principal = asyncio.run(_bearer(database_url, token))
    assert principal.application_id == application_id
    assert principal.user is not None
    assert (principal.user.id, principal.user.display_name) == (user_id, "Alice A")
    assert principal.may_open_session
    assert asyncio.run(_bearer(database_url, shell.done("token").out.strip())).user is None


def test_lists_show_what_was_made(shell: Shell) -> None:
    first, second = shell.application("One"), shell.application("Two \x1b[31m")
    listed = shell.done("app", "list", "--json").json
    assert [(each["id"], each["has_private_key"]) for each in listed] == [(first, True), (second, True)]
    table = shell.done("app", "list").out
    assert first in table
    assert "\x1b" not in table
    for name in ("bob", "alice"):
        shell.done("user", "create", name, "--app", first)
    assert [each["name"] for each in shell.done("user", "list", "--app", first, "--json").json] == ["bob", "alice"]
    assert shell.done("user", "list", "--app", second, "--json").json == []


def test_a_rotated_key_replaces_the_old_one(shell: Shell) -> None:
    application_id = shell.application()
    url = "sqlite:///.legato/legato.db"
    old = shell.done("token").out.strip()
    shell.done("app", "rotate-key", application_id)
    with pytest.raises(Unauthenticated):
        asyncio.run(_bearer(url, old))
    assert asyncio.run(_bearer(url, shell.done("token").out.strip())).application_id == application_id


def test_a_private_key_can_be_written_elsewhere_and_is_never_written_over(shell: Shell) -> None:
    path = shell.directory / "shop.pem"
    application_id = shell.done("app", "create", "Shop", "--key-file", str(path), "--json").json["id"]
    assert path.stat().st_mode & 0o777 == 0o600
    written = path.read_text()
    assert Installation(Path(".legato")).applications() == []
    assert "nothing was done" in shell.refused("app", "create", "Other", "--key-file", str(path))
    assert "nothing was done" in shell.refused("app", "rotate-key", application_id, "--key-file", "nowhere/x.pem")
    assert path.read_text() == written
    assert len(shell.done("app", "list", "--json").json) == 1
    assert shell.done("token", "--app", application_id, "--key", str(path)).out.count(".") == 2


def test_an_application_is_deleted_once_its_owner_says_so(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    application_id = shell.application()
    shell.done("user", "create", "alice")
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert shell("app", "delete", application_id).code == 1
    assert len(shell.done("app", "list", "--json").json) == 1
    shell.done("app", "delete", application_id, "--yes")
    assert shell.done("app", "list", "--json").json == []
    assert Installation(Path(".legato")).applications() == []
    assert "There is no application" in shell.refused("app", "delete", application_id, "--yes")


@pytest.mark.parametrize(
    "command",
    [
        ("app", "rotate-key", UNKNOWN),
        ("app", "delete", UNKNOWN, "--yes"),
        ("user", "create", "alice", "--app", UNKNOWN),
    ],
)
def test_an_unknown_application_is_refused(shell: Shell, command: tuple[str, ...]) -> None:
    assert UNKNOWN in shell.refused(*command)


def test_a_user_that_cannot_be_is_refused(shell: Shell) -> None:
    shell.application()
    shell.done("user", "create", "alice")
    assert "exists" in shell.refused("user", "create", "alice")
    assert "1 to 200" in shell.refused("user", "create", "x" * 201)
    assert "1 to 50" in shell.refused("user", "create", "bob", "--display-name", "x" * 51)
    assert len(shell.done("user", "list", "--json").json) == 1


def test_the_account_is_made_from_the_settings_and_its_secret_rotated(shell: Shell) -> None:
    shell.set(api_key="abcd1234", api_secret="first-Secret-1", signature_secret="s" * 32)
    account = shell.done("account", "show", "--json").json
    assert (account["api_key"], account["signature_secret"]) == ("abcd1234", "s" * 32)
    assert [each["secret"] for each in account["secrets"]] == ["first-Secret-1"]
    made = shell.done("account", "rotate-secret", "--overlap-hours", "1")
    assert "1 hours" in made.err
    after = shell.done("account", "show", "--json").json["secrets"]
    assert [each["secret"] for each in after] == [made.out.strip(), "first-Secret-1"]
    assert [each["expires_at"] is None for each in after] == [True, False]
    shell.set(api_key="other", api_secret="Other-Secret-1")
    assert shell.done("account", "show", "--json").json["api_key"] == "abcd1234"
    assert made.out.strip() in shell.done("account", "show").out
    last = shell.done("account", "rotate-secret", "--overlap-hours", "0", "--json").json["secret"]
    assert [each["secret"] for each in shell.done("account", "show", "--json").json["secrets"]] == [last]


def test_the_signature_secret_is_rotated_and_the_old_one_shown_as_long_as_it_signs(shell: Shell) -> None:
    shell.set(signature_secret="s" * 32)
    made = shell.done("account", "rotate-signature-secret", "--overlap-hours", "1")
    account = shell.done("account", "show", "--json").json
    assert (account["signature_secret"], account["old_signature_secret"]) == (made.out.strip(), "s" * 32)
    assert account["old_signature_secret_until"] in made.err
    assert f"{'s' * 32} (until " in shell.done("account", "show").out
    assert "rotation goes on" in shell.refused("account", "rotate-signature-secret")
    last = shell.done("account", "rotate-signature-secret", "--overlap-hours", "0", "--json").json
    assert last["old_signature_secret_until"] is None
    assert shell.done("account", "show", "--json").json["signature_secret"] == last["signature_secret"]


def test_the_schema_is_brought_up_to_date(shell: Shell) -> None:
    assert "the newest" in shell.done("db", "upgrade").err
    assert Path(".legato/legato.db").exists()


def test_a_directory_in_use_is_left_alone(shell: Shell) -> None:
    shell.application()
    place = Installation(Path(".legato"), Path(".legato/legato.db.lock"))
    with place.claimed():
        assert "in use already" in shell.refused("app", "list")
    claim = place.claim()
    claim.announce(Announcement(1, "http://127.0.0.1:1", "abcd1234", "local-secret"))
    assert "in use by the server at http://127.0.0.1:1" in shell.refused("db", "upgrade")
    said = shell.refused("app", "list")
    assert "no answer from http://127.0.0.1:1" in said
    assert "local-secret" not in said
    claim.release()
    shell.done("app", "list")


def test_a_database_that_cannot_be_reached_is_told_in_a_sentence(shell: Shell) -> None:
    shell.set(database_url="postgresql://somebody:hush@127.0.0.1:1/nothing")
    said = shell.refused("app", "list")
    assert "database cannot be used" in said
    assert "hush" not in said


def test_a_link_to_a_database_in_use_leads_to_the_same_lock(shell: Shell) -> None:
    shell.application()
    shell.directory.joinpath("elsewhere.db").symlink_to(shell.directory / ".legato" / "legato.db")
    with Installation(Path(".legato"), Path(".legato/legato.db.lock")).claimed():
        shell.set(database_url="sqlite:///elsewhere.db")
        assert "is in use" in shell.refused("app", "list")


def test_a_database_of_a_newer_build_is_left_alone(shell: Shell) -> None:
    shell.application()
    with contextlib.closing(sqlite3.connect(".legato/legato.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert "9999" in shell.refused("app", "list")
    found = {each["about"]: each for each in shell("doctor", "--json").json}
    assert found["database"]["level"] == "error"
    assert "newer" in found["database"]["text"]


def test_a_file_that_is_no_database_is_told_in_a_sentence(shell: Shell) -> None:
    Path("notes.db").write_bytes(b"not a database, but long enough to be looked at " * 100)
    shell.set(database_url="sqlite:///notes.db")
    assert "is not a database" in shell.refused("app", "list")
