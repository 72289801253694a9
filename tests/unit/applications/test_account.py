"""The account: made once, its secrets rotated and revoked."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection

from legato.events.ids import RandomIds
from legato.store import Store
from legato.store.account import Account, ensure_account, generate_secret

from .scene import KEY, SECRET, Scene

DAY = 24 * 3600


async def _rotate(scene: Scene, *, secret: str = SECRET, **body: Any) -> Any:
    rotated = await scene.call("POST", "/v2/account/secrets", body, secret=secret)
    assert rotated.status == 201, rotated.body
    return rotated.body


async def _is_valid(scene: Scene, secret: str) -> bool:
    return (await scene.call("GET", "/v2/account", secret=secret)).status == 200


async def test_the_account_is_made_once(stored: Scene) -> None:
    def again(connection: Connection) -> Account:
        return ensure_account(connection, RandomIds(), stored.clock.now(), api_key="other", api_secret="Other-Secret-2")

    account = await stored.log.transact(again)
    assert account.api_key == KEY
    assert account.secrets_at(stored.clock.now()) == [SECRET]
    assert len(account.signature_secret) >= 32


async def test_an_account_of_chance_has_a_key_and_secrets_of_its_own(database_url: str) -> None:
    store = Store(database_url)
    await store.open()
    account = await store.write(lambda connection: ensure_account(connection, RandomIds(), 1_800_000_000.0))
    await store.close()
    assert len(account.api_key) == 8
    assert len(account.secrets) == 1
    for hidden in (account.secrets[0].secret, account.signature_secret):
        assert hidden not in repr(account) + repr(account.secrets[0])


def test_generated_secrets_have_every_kind_of_character() -> None:
    made = {generate_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(any(map(kind, text)) for text in made for kind in (str.islower, str.isupper, str.isdigit))


async def test_the_account_shows_its_secrets_only_by_id(scene: Scene) -> None:
    shown = await scene.call("GET", "/v2/account")
    assert shown.body["api_key"] == KEY
    assert shown.body["signature_secret"]
    assert [sorted(each) for each in shown.body["secrets"]] == [["created_at", "id"]]
    assert SECRET not in str(shown.body)


async def test_while_a_secret_is_rotated_both_are_valid_and_then_one(stored: Scene) -> None:
    made = await _rotate(stored, overlap=DAY)
    assert await _is_valid(stored, SECRET)
    assert await _is_valid(stored, made["secret"])
    stored.clock.seconds += DAY
    assert not await _is_valid(stored, SECRET)
    assert await _is_valid(stored, made["secret"])


async def test_a_rotation_without_overlap_ends_the_old_secret_at_once(scene: Scene) -> None:
    made = await _rotate(scene, overlap=0)
    assert not await _is_valid(scene, SECRET)
    shown = await scene.call("GET", "/v2/account", secret=made["secret"])
    assert [each["id"] for each in shown.body["secrets"]] == [made["id"]]


async def test_a_second_rotation_does_not_lengthen_what_the_first_one_ends(stored: Scene) -> None:
    await _rotate(stored, overlap=60)
    second = await _rotate(stored, overlap=DAY)
    stored.clock.seconds += 60
    assert not await _is_valid(stored, SECRET)
    assert await _is_valid(stored, second["secret"])


async def test_a_given_secret_is_not_answered(scene: Scene) -> None:
    made = await _rotate(scene, secret=SECRET)
    assert "secret" in made
    given = await scene.call("POST", "/v2/account/secrets", {"secret": "second-Secret-2:x"})
    assert given.status == 201
    assert "secret" not in given.body
    assert await _is_valid(scene, "second-Secret-2:x")


@pytest.mark.parametrize(
    "body",
    [{"secret": "short"}, {"secret": "x" * 129}, {"secret": "with blank"}, {"secret": "é" * 10}, {"overlap": -1}],
)
async def test_a_bad_rotation_changes_nothing(scene: Scene, body: dict[str, Any]) -> None:
    assert (await scene.call("POST", "/v2/account/secrets", body)).status == 400
    assert len((await scene.call("GET", "/v2/account")).body["secrets"]) == 1


async def test_secrets_are_bounded_and_a_rotation_without_overlap_makes_room(scene: Scene) -> None:
    for _ in range(3):
        await _rotate(scene)
    assert (await scene.call("POST", "/v2/account/secrets", {})).status == 409
    assert len((await scene.call("GET", "/v2/account")).body["secrets"]) == 4
    made = await _rotate(scene, overlap=0)
    assert await _is_valid(scene, made["secret"])


async def test_a_secret_can_be_revoked_but_not_the_last(stored: Scene) -> None:
    made = await _rotate(stored)
    first = next(
        each["id"] for each in (await stored.call("GET", "/v2/account")).body["secrets"] if each["id"] != made["id"]
    )
    assert (await stored.call("DELETE", f"/v2/account/secrets/{made['id']}")).status == 409
    assert (await stored.call("DELETE", f"/v2/account/secrets/{first}")).status == 204
    assert not await _is_valid(stored, SECRET)
    again = await stored.call("DELETE", f"/v2/account/secrets/{first}", secret=made["secret"])
    assert again.status == 404


async def test_only_the_account_may_rotate(scene: Scene) -> None:
    assert (await scene.call("POST", "/v2/account/secrets", {}, secret="wrong")).status == 401
    assert len((await scene.call("GET", "/v2/account")).body["secrets"]) == 1


async def test_a_repeat_of_a_rotation_under_one_key_is_answered_like_the_first(scene: Scene) -> None:
    first = await scene.call("POST", "/v2/account/secrets", {}, key="once")
    again = await scene.call("POST", "/v2/account/secrets", {}, key="once")
    assert again.body == first.body
    assert len((await scene.call("GET", "/v2/account")).body["secrets"]) == 2


async def test_while_the_signature_secret_is_rotated_both_sign_and_then_the_new_one(stored: Scene) -> None:
    old = (await stored.call("GET", "/v2/account")).body["signature_secret"]
    made = (await stored.call("POST", "/v2/account/signature-secret", {"overlap": DAY})).body
    shown = (await stored.call("GET", "/v2/account")).body
    assert (made["old_signature_secret"], shown["signature_secret"]) == (old, made["signature_secret"])
    assert {name: shown[name] for name in made} == made
    [secrets] = stored.signed
    assert secrets.at(stored.clock.now()) == (old, made["signature_secret"])
    assert not any(secret in repr(secrets) for secret in secrets.at(0))
    stored.clock.seconds += DAY
    assert secrets.at(stored.clock.now()) == (made["signature_secret"],)
    assert "old_signature_secret" not in (await stored.call("GET", "/v2/account")).body


async def test_a_rotation_of_the_signature_secret_is_ended_before_another_begins(scene: Scene) -> None:
    await scene.call("POST", "/v2/account/signature-secret", {})
    refused = await scene.call("POST", "/v2/account/signature-secret", {})
    assert refused.status == 409
    assert "goes on until" in refused.body["detail"]
    ended = await scene.call("POST", "/v2/account/signature-secret", {"overlap": 0, "secret": "s" * 32})
    assert ended.body == {"signature_secret": "s" * 32}
    assert scene.signed[-1].at(scene.clock.now()) == ("s" * 32,)


@pytest.mark.parametrize("body", [{"secret": "s" * 31}, {"secret": "s" * 257}, {"secret": "é" * 40}, {"overlap": -1}])
async def test_a_bad_rotation_of_the_signature_secret_changes_nothing(scene: Scene, body: dict[str, Any]) -> None:
    before = (await scene.call("GET", "/v2/account")).body
    assert (await scene.call("POST", "/v2/account/signature-secret", body)).status == 400
    assert (await scene.call("GET", "/v2/account")).body == before
