"""From tokens to principals: what is remembered, for how long, and what makes it forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from legato.auth import Authenticator, KeyPair, KeyRecord, mint
from legato.auth.authenticator import RECHECK_SECONDS
from legato.events.envelope import Person
from legato.events.refusal import Unauthenticated

from .stage import ALICE, APPLICATION, BOB, OTHER, START, HandClock, MemoryDirectory


def _token(pair: KeyPair, sub: str | None = None, application: str = APPLICATION, **rest: object) -> str:
    return mint(pair.private_key, application, sub=sub, now=START, **rest)  # type: ignore[arg-type]


async def _code(authenticator: Authenticator, token: str | None) -> str:
    with pytest.raises(Unauthenticated) as refused:
        await authenticator.authenticate(token)
    return refused.value.code


async def test_a_token_without_sub_is_the_applications_and_reaches_everything(
    authenticator: Authenticator, pair: KeyPair
) -> None:
    principal = await authenticator.authenticate(_token(pair))
    assert (principal.application_id, principal.user, principal.api_key) == (APPLICATION, None, "a1b2c3d4")
    assert principal.allows("DELETE", "/v1/users/USR-1")
    assert not principal.may_open_session


async def test_a_token_with_sub_is_that_users(authenticator: Authenticator, pair: KeyPair) -> None:
    principal = await authenticator.authenticate(_token(pair, "alice", acl={"paths": {"/*/users/**": {}}}))
    assert principal.user == ALICE
    assert principal.caller("SES-1").user == ALICE
    assert principal.allows("GET", "/v0.3/users")
    assert not principal.may_open_session
    assert not principal.allows("GET", "/v0.3/conversations")


async def test_a_users_token_without_acl_opens_sessions_and_nothing_else(
    authenticator: Authenticator, pair: KeyPair
) -> None:
    principal = await authenticator.authenticate(_token(pair, "alice"))
    assert principal.may_open_session
    assert principal.allows("DELETE", "/v0.2/sessions/SES-1")
    assert not principal.allows("GET", "/v0.3/users")


async def test_an_applications_token_with_acl_reaches_what_it_says(authenticator: Authenticator, pair: KeyPair) -> None:
    principal = await authenticator.authenticate(_token(pair, acl={"paths": {"/v1/users": {"methods": ["GET"]}}}))
    assert principal.allows("GET", "/v1/users")
    assert not principal.allows("POST", "/v1/users")


async def test_a_malformed_acl_is_an_invalid_token(authenticator: Authenticator, pair: KeyPair) -> None:
    assert await _code(authenticator, _token(pair, acl={"paths": []})) == "system:error:invalid-token"


async def test_no_token_is_an_invalid_token(authenticator: Authenticator) -> None:
    assert await _code(authenticator, None) == "system:error:invalid-token"
    assert await _code(authenticator, "") == "system:error:invalid-token"


async def test_a_sub_that_names_nobody_is_told_so(authenticator: Authenticator, pair: KeyPair) -> None:
    assert await _code(authenticator, _token(pair, "mallory")) == "user:error:not-found"


async def test_users_of_another_application_are_nobody(authenticator: Authenticator, other_pair: KeyPair) -> None:
    assert await _code(authenticator, _token(other_pair, "alice", OTHER)) == "user:error:not-found"


async def test_a_token_for_one_application_signed_by_another_is_invalid(
    authenticator: Authenticator, other_pair: KeyPair
) -> None:
    assert await _code(authenticator, _token(other_pair)) == "system:error:invalid-token"


async def test_a_token_of_an_unknown_application_is_invalid(authenticator: Authenticator, pair: KeyPair) -> None:
    token = _token(pair, application="cccccccc-bbbb-4ccc-8ddd-0123456789ab")
    assert await _code(authenticator, token) == "system:error:invalid-token"


async def test_an_accepted_token_is_remembered(
    authenticator: Authenticator, directory: MemoryDirectory, pair: KeyPair
) -> None:
    token = _token(pair, "alice")
    assert authenticator.recall(token) is None
    principal = await authenticator.authenticate(token)
    asked = len(directory.asked)
    assert authenticator.recall(token) is principal
    assert await authenticator.authenticate(token) is principal
    assert len(directory.asked) == asked


async def test_a_refused_token_is_not_remembered(authenticator: Authenticator, pair: KeyPair) -> None:
    await _code(authenticator, _token(pair, "mallory"))
    assert len(authenticator) == 0


async def test_a_remembered_token_still_expires(authenticator: Authenticator, clock: HandClock, pair: KeyPair) -> None:
    token = _token(pair, ttl=3)
    await authenticator.authenticate(token)
    clock.seconds += 3
    assert authenticator.recall(token) is None
    assert await _code(authenticator, token) == "system:error:expired-token"
    assert len(authenticator) == 0


async def test_a_rotated_key_ends_its_tokens_at_once(
    authenticator: Authenticator, directory: MemoryDirectory, pair: KeyPair, other_pair: KeyPair
) -> None:
    old = _token(pair)
    await authenticator.authenticate(old)
    directory.keys[APPLICATION] = KeyRecord(other_pair.public_key, 2)
    authenticator.forget_application(APPLICATION)
    assert authenticator.recall(old) is None
    assert await _code(authenticator, old) == "system:error:invalid-token"
    assert (await authenticator.authenticate(_token(other_pair))).user is None


async def test_a_deleted_application_ends_its_tokens_at_once(
    authenticator: Authenticator, directory: MemoryDirectory, pair: KeyPair, other_pair: KeyPair
) -> None:
    token, of_other = _token(pair), _token(other_pair, application=OTHER)
    await authenticator.authenticate(token)
    await authenticator.authenticate(of_other)
    del directory.keys[APPLICATION]
    authenticator.forget_application(APPLICATION)
    assert await _code(authenticator, token) == "system:error:invalid-token"
    assert authenticator.recall(of_other) is not None


async def test_a_deleted_user_ends_all_of_its_tokens_and_no_others(
    authenticator: Authenticator, directory: MemoryDirectory, pair: KeyPair
) -> None:
    alices = [_token(pair, "alice") for _ in range(3)]
    bobs = _token(pair, "bob")
    for token in (*alices, bobs):
        await authenticator.authenticate(token)
    del directory.users[APPLICATION, "alice"]
    authenticator.forget_user(APPLICATION, ALICE.id)
    for token in alices:
        assert await _code(authenticator, token) == "user:error:not-found"
    assert authenticator.recall(bobs) is not None


async def test_a_changed_user_is_seen_as_it_is_now(
    authenticator: Authenticator, directory: MemoryDirectory, pair: KeyPair
) -> None:
    token = _token(pair, "alice")
    await authenticator.authenticate(token)
    directory.users[APPLICATION, "alice"] = Person(ALICE.id, "alice", "Alice")
    authenticator.forget_user(APPLICATION, ALICE.id)
    principal = await authenticator.authenticate(token)
    assert principal.user is not None
    assert principal.user.display_name == "Alice"


async def test_a_key_changed_elsewhere_counts_after_the_recheck(
    authenticator: Authenticator, directory: MemoryDirectory, clock: HandClock, pair: KeyPair, other_pair: KeyPair
) -> None:
    first, second = _token(pair), _token(pair, "bob")
    await authenticator.authenticate(first)
    await authenticator.authenticate(second)
    directory.keys[APPLICATION] = KeyRecord(other_pair.public_key, 2)
    clock.seconds += RECHECK_SECONDS
    assert await _code(authenticator, first) == "system:error:invalid-token"
    assert authenticator.recall(second) is None
    assert await _code(authenticator, second) == "system:error:invalid-token"


async def test_a_user_changed_elsewhere_counts_after_the_recheck(
    authenticator: Authenticator, directory: MemoryDirectory, clock: HandClock, pair: KeyPair
) -> None:
    token = _token(pair, "alice")
    await authenticator.authenticate(token)
    del directory.users[APPLICATION, "alice"]
    directory.keys[APPLICATION] = KeyRecord(pair.public_key, 1, users_version=1)
    clock.seconds += RECHECK_SECONDS
    assert await _code(authenticator, token) == "user:error:not-found"


async def test_an_unchanged_application_is_rechecked_without_verifying_again(
    authenticator: Authenticator, directory: MemoryDirectory, clock: HandClock, pair: KeyPair
) -> None:
    token = _token(pair, "alice")
    principal = await authenticator.authenticate(token)
    directory.asked.clear()
    clock.seconds += RECHECK_SECONDS
    assert await authenticator.authenticate(token) is principal
    assert directory.asked == [APPLICATION]
    assert authenticator.recall(token) is principal


async def test_a_second_token_asks_for_the_user_only(
    authenticator: Authenticator, directory: MemoryDirectory, pair: KeyPair
) -> None:
    await authenticator.authenticate(_token(pair, "alice"))
    directory.asked.clear()
    await authenticator.authenticate(_token(pair, "bob"))
    assert directory.asked == ["bob"]


async def test_the_memory_is_bounded(directory: MemoryDirectory, clock: HandClock, pair: KeyPair) -> None:
    authenticator = Authenticator(directory, clock, api_key="a1b2c3d4", max_tokens=2)
    first, second, third = (_token(pair, "alice") for _ in range(3))
    for token in (first, second, third):
        await authenticator.authenticate(token)
    assert len(authenticator) == 2
    assert authenticator.recall(first) is None
    assert authenticator.recall(third) is not None
    authenticator.forget_user(APPLICATION, ALICE.id)
    assert len(authenticator) == 0


@dataclass
class SlowDirectory(MemoryDirectory):
    """Answers what was so when it was asked, once the gate is open."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def user_by_name(self, application_id: str, name: str) -> Person | None:
        found = await super().user_by_name(application_id, name)
        self.reached.set()
        await self.gate.wait()
        return found

    async def application_key(self, application_id: str) -> KeyRecord | None:
        found = await super().application_key(application_id)
        if not self.users:
            self.reached.set()
            await self.gate.wait()
        return found


async def test_a_user_deleted_while_its_token_is_checked_is_not_let_in(clock: HandClock, pair: KeyPair) -> None:
    directory = SlowDirectory({APPLICATION: KeyRecord(pair.public_key, 1)}, {(APPLICATION, "bob"): BOB})
    authenticator = Authenticator(directory, clock, api_key="a1b2c3d4")
    checking = asyncio.ensure_future(_code(authenticator, _token(pair, "bob")))
    await directory.reached.wait()
    del directory.users[APPLICATION, "bob"]
    authenticator.forget_user(APPLICATION, BOB.id)
    directory.gate.set()
    assert await checking == "user:error:not-found"


async def test_a_key_rotated_while_a_token_is_checked_is_not_the_old_one(
    clock: HandClock, pair: KeyPair, other_pair: KeyPair
) -> None:
    directory = SlowDirectory({APPLICATION: KeyRecord(pair.public_key, 1)})
    authenticator = Authenticator(directory, clock, api_key="a1b2c3d4")
    checking = asyncio.ensure_future(_code(authenticator, _token(pair)))
    await directory.reached.wait()
    directory.keys[APPLICATION] = KeyRecord(other_pair.public_key, 2)
    authenticator.forget_application(APPLICATION)
    directory.gate.set()
    assert await checking == "system:error:invalid-token"
    assert len(authenticator) == 0
