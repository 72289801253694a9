"""Who is calling, and what they reach: tokens of applications and users, access lists, the account's credentials."""

from legato.auth.account import Credentials, WithLocalSecret, authenticate_account, bearer
from legato.auth.acl import Acl
from legato.auth.authenticator import Authenticator
from legato.auth.directory import Directory, KeyRecord
from legato.auth.keys import KeyPair, generate, load_private, load_public, public_pem
from legato.auth.principal import Principal
from legato.auth.stored import StoredDirectory
from legato.auth.tokens import CLIENT_ACL, mint

__all__ = [
    "CLIENT_ACL",
    "Acl",
    "Authenticator",
    "Credentials",
    "Directory",
    "KeyPair",
    "KeyRecord",
    "Principal",
    "StoredDirectory",
    "WithLocalSecret",
    "authenticate_account",
    "bearer",
    "generate",
    "load_private",
    "load_public",
    "mint",
    "public_pem",
]
