"""``legato token``, and what is said when there is no key to sign with."""

from __future__ import annotations

import pytest

from legato.auth import CLIENT_ACL, load_private
from legato.auth.tokens import verify
from legato.installation import Installation

from .shell import Shell


def _claims(shell: Shell, token: str, application_id: str) -> object:
    from legato.config import load
    from legato.events.moment import SystemClock

    key = load().installation.key(application_id)
    assert key is not None
    return verify(token.strip(), load_private(key).public_key(), SystemClock().now())


def test_a_token_says_what_was_asked_for(shell: Shell) -> None:
    application_id = shell.application()
    claims = _claims(shell, shell.done("token", "alice", "--ttl", "3600").out, application_id)
    assert (claims.user_name, claims.acl) == ("alice", dict(CLIENT_ACL))
    assert claims.expires_at - claims.issued_at == 3600
    own = _claims(shell, shell.done("token").out, application_id)
    assert (own.user_name, own.acl) == (None, None)
    narrow = shell.done("token", "alice", "--acl", '{"paths": {"/*/users/**": {"methods": ["GET"]}}}')
    assert _claims(shell, narrow.out, application_id).acl == {"paths": {"/*/users/**": {"methods": ["GET"]}}}


@pytest.mark.parametrize("acl", ["[]", "{", '{"paths": ["/**"]}', '{"paths": {"users": {}}}'])
def test_a_list_that_the_server_would_refuse_is_refused_here(shell: Shell, acl: str) -> None:
    shell.application()
    assert "acl" in shell.refused("token", "alice", "--acl", acl)


def test_no_token_lives_longer_than_a_day(shell: Shell) -> None:
    shell.application()
    assert shell("token", "--ttl", "86401").code == 2
    assert shell("token", "--ttl", "86400").code == 0


def test_without_a_key_or_with_several_it_says_what_to_do(shell: Shell) -> None:
    assert "legato app create" in shell.refused("token")
    first, second = shell.application("One"), shell.application("Two")
    said = shell.refused("token")
    assert first in said
    assert second in said
    shell.done("token", "--app", second)
    Installation(shell.directory / ".legato").forget_key(second)
    assert "--key" in shell.refused("token", "--app", second)
    assert "not an application's id" in shell.refused("token", "--app", "../x")


def test_a_file_that_is_no_key_is_refused(shell: Shell) -> None:
    (shell.directory / "key").write_text("none")
    application_id = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
    assert "RSA private key" in shell.refused("token", "--app", application_id, "--key", "key")
    assert "cannot be read" in shell.refused("token", "--app", application_id, "--key", "nothing")
    assert "--app" in shell.refused("token", "--key", "key")
