"""Events leave the house: signed, in order, at least once, with a memory."""

from legato.webhooks.listeners import Heard
from legato.webhooks.policy import Policy
from legato.webhooks.service import Webhooks
from legato.webhooks.signing import Signer, shown_secret, standard_headers
from legato.webhooks.verification import Check, UnverifiedError, check_bearer, check_standard, read_secret, verify

__all__ = [
    "Check",
    "Heard",
    "Policy",
    "Signer",
    "UnverifiedError",
    "Webhooks",
    "check_bearer",
    "check_standard",
    "read_secret",
    "shown_secret",
    "standard_headers",
    "verify",
]
