"""Tokens, right and forged."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from legato.auth import KeyPair, load_private, load_public, mint
from legato.auth.tokens import MAX_TOKEN_CHARACTERS, Claims, issuer, verify
from legato.events.refusal import Unauthenticated

from .stage import APPLICATION, START

INVALID = "system:error:invalid-token"
EXPIRED = "system:error:expired-token"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _claims(**changes: Any) -> dict[str, Any]:
    claims = {"application_id": APPLICATION, "iat": START, "jti": "one", "exp": START + 60, **changes}
    return {name: value for name, value in claims.items() if value is not ...}


def _signed(pair: KeyPair, claims: Any, algorithm: str = "RS256") -> str:
    return jwt.api_jws.encode(json.dumps(claims).encode(), load_private(pair.private_key), algorithm=algorithm)


def _verify(pair: KeyPair, token: str, now: float = START) -> Claims:
    return verify(token, load_public(pair.public_key), now)


def _code(pair: KeyPair, token: str, now: float = START) -> str:
    with pytest.raises(Unauthenticated) as refused:
        _verify(pair, token, now)
    return refused.value.code


def test_a_minted_token_says_what_was_asked_for(pair: KeyPair) -> None:
    acl = {"paths": {"/**": {}}}
    token = mint(pair.private_key, APPLICATION, sub="alice", ttl=3600, acl=acl, now=START)
    claims = _verify(pair, token)
    assert (claims.application_id, claims.user_name, claims.acl) == (APPLICATION, "alice", acl)
    assert (claims.issued_at, claims.expires_at) == (START, START + 3600)
    assert issuer(token) == APPLICATION


def test_two_minted_tokens_have_their_own_ids(pair: KeyPair) -> None:
    key = load_private(pair.private_key)
    one, two = (_verify(pair, mint(key, APPLICATION, now=START)) for _ in range(2))
    assert one.token_id != two.token_id


def test_a_token_without_exp_lives_fifteen_minutes(pair: KeyPair) -> None:
    token = mint(pair.private_key, APPLICATION, ttl=None, now=START)
    assert _verify(pair, token, START + 899).expires_at == START + 900
    assert _code(pair, token, START + 900) == EXPIRED


@pytest.mark.parametrize("exp", [START + 60, float(START + 60), str(START + 60), f"{START + 60}.0"])
def test_exp_may_be_any_spelling_of_a_number(pair: KeyPair, exp: object) -> None:
    assert _verify(pair, _signed(pair, _claims(exp=exp))).expires_at == START + 60


def test_a_token_may_live_twenty_four_hours_and_no_second_longer(pair: KeyPair) -> None:
    day = 24 * 3600
    assert _verify(pair, _signed(pair, _claims(exp=START + day))).expires_at == START + day
    assert _code(pair, _signed(pair, _claims(exp=START + day + 1))) == INVALID


def test_a_token_expires_at_its_exp(pair: KeyPair) -> None:
    token = _signed(pair, _claims())
    assert _verify(pair, token, START + 59.9).user_name is None
    assert _code(pair, token, START + 60) == EXPIRED


@pytest.mark.parametrize(
    "changes",
    [
        {"application_id": ...},
        {"application_id": 7},
        {"application_id": None},
        {"iat": ...},
        {"iat": None},
        {"iat": "yesterday"},
        {"iat": -1},
        {"iat": True},
        {"iat": START + 31},
        {"jti": ...},
        {"jti": ""},
        {"jti": 5},
        {"exp": "never"},
        {"exp": "inf"},
        {"exp": "nan"},
        {"exp": 10**400},
        {"exp": [START]},
        {"exp": 99_999_999_999},
        {"nbf": START + 31},
        {"nbf": "soon"},
        {"sub": ""},
        {"sub": "ali\0ce"},
        {"sub": 7},
        {"sub": ["alice"]},
    ],
)
def test_a_signed_token_with_a_bad_claim_is_invalid(pair: KeyPair, changes: dict[str, Any]) -> None:
    assert _code(pair, _signed(pair, _claims(**changes))) == INVALID


@pytest.mark.parametrize("changes", [{"iat": START + 30}, {"nbf": START + 30}, {"nbf": str(START)}, {"extra": 1}])
def test_small_clock_skew_and_unknown_claims_are_accepted(pair: KeyPair, changes: dict[str, Any]) -> None:
    assert _verify(pair, _signed(pair, _claims(**changes))).token_id == "one"


def test_a_token_of_another_key_is_invalid(pair: KeyPair, other_pair: KeyPair) -> None:
    assert _code(pair, _signed(other_pair, _claims())) == INVALID


def test_an_unsigned_token_is_invalid(pair: KeyPair) -> None:
    for algorithm in ("none", "None", "NONE", ""):
        header = _b64(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
        payload = _b64(json.dumps(_claims()).encode())
        assert _code(pair, f"{header}.{payload}.") == INVALID


def test_a_token_signed_by_hmac_with_the_public_key_is_invalid(pair: KeyPair) -> None:
    head = _b64(b'{"alg":"HS256","typ":"JWT"}') + "." + _b64(json.dumps(_claims()).encode())
    for secret in (pair.public_key, pair.public_key.strip()):
        signature = hmac.new(secret.encode(), head.encode(), hashlib.sha256).digest()
        assert _code(pair, f"{head}.{_b64(signature)}") == INVALID


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
def test_other_algorithms_of_the_right_key_are_invalid(pair: KeyPair, algorithm: str) -> None:
    assert _code(pair, _signed(pair, _claims(), algorithm)) == INVALID


def test_an_elliptic_curve_token_is_invalid(pair: KeyPair) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert _code(pair, jwt.api_jws.encode(json.dumps(_claims()).encode(), key, algorithm="ES256")) == INVALID


def test_a_key_inside_the_token_is_not_trusted(pair: KeyPair, other_pair: KeyPair) -> None:
    forged = jwt.api_jws.encode(
        json.dumps(_claims()).encode(),
        load_private(other_pair.private_key),
        algorithm="RS256",
        headers={"jwk": json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(load_public(other_pair.public_key)))},
    )
    assert _code(pair, forged) == INVALID


def test_a_critical_header_that_nobody_knows_is_invalid(pair: KeyPair) -> None:
    token = jwt.api_jws.encode(
        json.dumps(_claims()).encode(),
        load_private(pair.private_key),
        algorithm="RS256",
        headers={"crit": ["novel"], "novel": 1},
    )
    assert _code(pair, token) == INVALID


def test_a_changed_payload_or_signature_is_invalid(pair: KeyPair) -> None:
    header, payload, signature = _signed(pair, _claims()).split(".")
    assert _code(pair, f"{header}.{_b64(json.dumps(_claims(sub='alice')).encode())}.{signature}") == INVALID
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    assert _code(pair, f"{header}.{payload}.{flipped}") == INVALID


@pytest.mark.parametrize("payload", [[], "text", 7, None])
def test_a_signed_payload_that_is_no_object_is_invalid(pair: KeyPair, payload: object) -> None:
    assert _code(pair, _signed(pair, payload)) == INVALID


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "a.b", "a.b.c.d", "a.!!.c", "ü.ü.ü", "a.e30.c", "a." + _b64(b"\xff\xfe") + ".c", "a.A.c"]
    + [f"a.{_b64(json.dumps({'application_id': text}).encode())}.c" for text in ("", "x", "\0", APPLICATION.upper())],
)
def test_what_is_no_token_has_no_issuer(token: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        issuer(token)
    assert refused.value.code == INVALID


def test_a_token_over_the_bound_is_not_even_read(pair: KeyPair) -> None:
    token = mint(pair.private_key, APPLICATION, claims={"padding": "x" * MAX_TOKEN_CHARACTERS}, now=START)
    with pytest.raises(Unauthenticated, match="too long"):
        issuer(token)
