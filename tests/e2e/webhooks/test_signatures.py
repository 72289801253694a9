"""Signatures are what the official verifiers take, to the byte."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import jwt
import pytest
from standardwebhooks import Webhook, WebhookVerificationError
from vonage_jwt import verify_signature

from legato.cli.on_store import OnStore
from legato.config import load
from legato.testing.receiver import Received
from tests.conftest import missing

from .conftest import INTEROP, SIGNATURE_SECRET, Scene


def told_of(scene: Scene, texts: int = 5) -> list[Received]:
    """Some signed requests."""
    cid = scene.conversation()
    last = [scene.text(cid, f"smörgåsbord {number} 🎻") for number in range(texts)][-1]
    return scene.receiver.until(lambda r: any(each.event.get("id") == last for each in r), "all are told")


def test_the_python_sdk_and_standard_webhooks_verify_every_request(scene: Scene) -> None:
    standard = Webhook(scene.endpoint()["secrets"][0])
    for request in told_of(scene):
        token = request.headers["authorization"].removeprefix("Bearer ")
        assert verify_signature(token, SIGNATURE_SECRET) is True
        assert verify_signature(token, "x" * 40) is False
        claims = jwt.decode(token, SIGNATURE_SECRET, algorithms=["HS256"])
        assert claims["payload_hash"] == hashlib.sha256(request.body).hexdigest()
        assert (claims["application_id"], claims["api_key"]) == (scene.application.id, "abcd1234")
        assert standard.verify(request.body, request.headers) == request.event
        with pytest.raises(WebhookVerificationError):
            standard.verify(request.body + b" ", request.headers)


def test_the_node_sdk_and_standard_webhooks_verify_every_request(scene: Scene) -> None:
    if shutil.which("node") is None or not (INTEROP / "node_modules").is_dir():
        missing("Node and the official npm clients are needed: run scripts/install-peers")
    secret = scene.endpoint()["secrets"][0]
    requests = [
        {
            "token": each.headers["authorization"].removeprefix("Bearer "),
            "payload": each.body.decode(),
            "headers": each.headers,
            "secret": secret,
        }
        for each in told_of(scene)
    ]
    told = subprocess.run(
        ["node", "drivers/verify_webhooks.mjs", SIGNATURE_SECRET],
        cwd=INTEROP,
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == [{"jwt": True, "hash": True, "standard": True}] * len(requests)


def test_while_the_accounts_signature_secret_is_rotated_a_receiver_may_have_either(own_scene: Scene) -> None:
    scene = own_scene
    standard = Webhook(scene.endpoint()["secrets"][0])
    cid = scene.conversation()

    def told_with(secret: str) -> list[Received]:
        """What comes until a receiver that has this secret alone has taken another text."""
        scene.receiver.behave(signature_secret=secret)
        before = len(scene.receiver.requests())
        last = scene.text(cid, "signed")
        scene.receiver.until(
            lambda r: any(each.event.get("id") == last and each.was_taken for each in r), "it is taken"
        )
        found = scene.receiver.requests(before)
        for each in found:
            token = each.headers["authorization"].removeprefix("Bearer ")
            assert verify_signature(token, secret) is each.was_taken
            assert standard.verify(each.body, each.headers) == each.event
        return found

    def rotated(overlap: float) -> str:
        made = scene.server.request("POST", "/v2/account/signature-secret", {"overlap": overlap}, basic=True)
        assert made.status == 201, made
        secret: str = made.body["signature_secret"]
        return secret

    assert [each.answered for each in told_with(SIGNATURE_SECRET)][-1] == "ok"
    new = rotated(3600)
    assert [each.answered for each in told_with(SIGNATURE_SECRET)] == ["ok"]
    assert [each.answered for each in told_with(new)] == ["401", "ok"]
    assert [each.answered for each in told_with(new)] == ["ok"]
    assert [each.answered for each in told_with(SIGNATURE_SECRET)] == ["401", "ok"]
    assert scene.endpoint()["state"] == "active"
    newest = rotated(0)
    assert [each.answered for each in told_with(newest)] == ["ok"]
    scene.receiver.behave(signature_secret=new)
    late = scene.text(cid, "to who has a secret that has ended")
    scene.receiver.until(lambda r: [each.answered for each in r[-2:]] == ["401", "401"], "it is not believed")
    scene.receiver.behave(signature_secret=newest)
    scene.receiver.until(lambda r: any(each.event.get("id") == late and each.was_taken for each in r), "it is taken")


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_signature_secret_that_somebody_else_has_rotated_is_soon_the_servers(
    own_scene: Scene, tmp_path: Path
) -> None:
    scene = own_scene
    cid = scene.conversation()
    with OnStore.opened(load(database_url=scene.server.database_url, data_dir=tmp_path / "elsewhere")) as beside:
        new = beside.rotate_signature_secret(0).signature_secret
    scene.receiver.behave(signature_secret=new)
    last = scene.text(cid, "signed")
    scene.receiver.until(lambda r: any(each.event.get("id") == last and each.was_taken for each in r), "it is taken")


def test_while_a_secret_is_rotated_both_verify_and_afterwards_the_new_one_alone(scene: Scene) -> None:
    old = Webhook(scene.endpoint()["secrets"][0])
    new = Webhook(scene.ask("POST", f"/v1/webhooks/{scene.application.id}/secret", {"overlap": 3600}, 201)["secret"])
    request = told_of(scene, 1)[-1]
    assert old.verify(request.body, request.headers) == new.verify(request.body, request.headers)
    scene.ask("POST", f"/v1/webhooks/{scene.application.id}/secret", {"overlap": 0}, 201)
    request = told_of(scene, 1)[-1]
    for gone in (old, new):
        with pytest.raises(WebhookVerificationError):
            gone.verify(request.body, request.headers)
    Webhook(scene.endpoint()["secrets"][0]).verify(request.body, request.headers)
