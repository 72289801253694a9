"""Events leave the house: signed, in order, at least once, with a memory."""

from legato.webhooks.listeners import Heard
from legato.webhooks.policy import Policy
from legato.webhooks.service import Webhooks
from legato.webhooks.signing import Signer, shown_secret, standard_headers

__all__ = ["Heard", "Policy", "Signer", "Webhooks", "shown_secret", "standard_headers"]
