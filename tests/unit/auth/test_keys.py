"""Keys: what is made and what is accepted."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from legato.auth import KeyPair, load_private, load_public, public_pem

PEM = serialization.Encoding.PEM


def test_a_generated_pair_is_pkcs8_of_2048_bits_and_belongs_together(pair: KeyPair) -> None:
    private = load_private(pair.private_key)
    assert pair.private_key.startswith("-----BEGIN PRIVATE KEY-----")
    assert private.key_size == 2048
    assert public_pem(private.public_key()) == pair.public_key


def test_a_pair_does_not_show_its_private_key(pair: KeyPair) -> None:
    assert "BEGIN" not in repr(pair)


def test_public_keys_are_read_in_both_spellings_and_with_blanks_around(pair: KeyPair) -> None:
    key = load_public("\n  " + pair.public_key + "\n\n")
    pkcs1 = key.public_bytes(PEM, serialization.PublicFormat.PKCS1).decode()
    assert public_pem(load_public(pkcs1)) == pair.public_key


def _public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def test_unusable_public_keys_are_refused(pair: KeyPair) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for text in ("", "no key", "é", "x" * 20_000, pair.private_key, pair.public_key[:200], _public(weak)):
        with pytest.raises(ValueError, match="must be"):
            load_public(text)
    with pytest.raises(ValueError, match="RSA"):
        load_public(_public(ec.generate_private_key(ec.SECP256R1())))


def test_a_private_key_with_a_passphrase_is_refused(pair: KeyPair) -> None:
    locked = load_private(pair.private_key).private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    for text in (locked.decode(), pair.public_key, ""):
        with pytest.raises(ValueError, match="without a passphrase"):
            load_private(text)
