"""What a receiver believes."""

from __future__ import annotations

import pytest

from legato.events.ids import RandomIds
from legato.store.signature import SignatureSecrets
from legato.webhooks import Signer, UnverifiedError, standard_headers, verify

NOW = 1_767_340_800.0
BODY = b'{"type":"text"}'
SECRETS = [b"e" * 32]
KEY = "s" * 40


def signed(body: bytes = BODY, *, key: str = KEY, now: float = NOW) -> dict[str, str]:
    """Headers as they are sent, by their names in lower case."""
    bearer = Signer("key", SignatureSecrets(key), RandomIds()).bearer("application", body, now, key)
    return {**standard_headers("CON-1_1", body, now, SECRETS), "authorization": bearer}


def check(headers: dict[str, str], body: bytes = BODY, now: float = NOW) -> tuple[str, ...]:
    return verify(headers, body, signature_secrets=["o" * 40, KEY], secrets=SECRETS, now=now)


def test_a_request_as_it_is_sent_is_believed() -> None:
    assert check(signed()) == ("JWT", "Standard Webhooks")


def test_without_a_jwt_the_other_signature_is_enough() -> None:
    headers = signed()
    del headers["authorization"]
    assert check(headers) == ("Standard Webhooks",)


def test_one_of_several_secrets_is_enough() -> None:
    headers = {**signed(), **standard_headers("CON-1_1", BODY, NOW, [b"o" * 32, *SECRETS])}
    assert check(headers) == ("JWT", "Standard Webhooks")


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_header_that_is_missing_is_noticed(missing: str) -> None:
    headers = signed()
    del headers[missing]
    with pytest.raises(UnverifiedError):
        check(headers)


def test_another_body_is_noticed_by_either_signature() -> None:
    with pytest.raises(UnverifiedError, match="webhook-signature"):
        check(signed(), b"{}")
    headers = {**signed(), **standard_headers("CON-1_1", b"{}", NOW, SECRETS)}
    with pytest.raises(UnverifiedError, match="payload_hash"):
        check(headers, b"{}")


def test_another_key_is_noticed() -> None:
    with pytest.raises(UnverifiedError, match="authorization"):
        check(signed(key="t" * 40))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_request_of_another_time_is_not_believed(seconds: float) -> None:
    with pytest.raises(UnverifiedError, match="timestamp"):
        check(signed(), now=NOW + seconds)
