"""RSA keys of applications: made here or brought by their owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

GENERATED_BITS: Final = 2048  # what the Applications API hands out
MIN_BITS: Final = 2048  # RFC 7518 3.3: 2048 bits or larger
MAX_BITS: Final = 8192  # beyond that one forged token costs a millisecond to refuse
MAX_PEM_CHARACTERS: Final = 16_384  # an 8192-bit public key is 1.5 kB


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair as PEM text. The private half is PKCS#8 and is never stored by the server."""

    private_key: str
    public_key: str

    def __repr__(self) -> str:
        return "KeyPair(private_key=…)"


def generate() -> KeyPair:
    """A new RSA-2048 pair. Takes 20–300 ms of CPU: call it off the event loop."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=GENERATED_BITS)
    return KeyPair(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        public_pem(private.public_key()),
    )


def load_public(pem: str) -> rsa.RSAPublicKey:
    """The RSA public key in a PEM text (SubjectPublicKeyInfo or PKCS#1), 2048 to 8192 bits. ValueError otherwise."""
    if len(pem) > MAX_PEM_CHARACTERS:
        raise ValueError(f"must be at most {MAX_PEM_CHARACTERS} characters")
    try:
        key = serialization.load_pem_public_key(pem.strip().encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("must be an RSA public key in PEM form") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("must be an RSA public key in PEM form")
    if not MIN_BITS <= key.key_size <= MAX_BITS:
        raise ValueError(f"must be an RSA key of {MIN_BITS} to {MAX_BITS} bits")
    return key


def load_private(pem: str) -> rsa.RSAPrivateKey:
    """The RSA private key in a PEM text without a passphrase. ValueError otherwise.

    Loading checks the key, which takes milliseconds: load once to mint many tokens.
    """
    try:
        key = serialization.load_pem_private_key(pem.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("must be an RSA private key in PEM form, without a passphrase") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("must be an RSA private key in PEM form, without a passphrase")
    return key


def public_pem(key: rsa.RSAPublicKey) -> str:
    """The key as SubjectPublicKeyInfo PEM, the one spelling in which keys are stored and shown."""
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
