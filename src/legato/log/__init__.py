"""The one door: commands in, events out, in one order, durable before they are answered."""

from legato.log.counts import COMMIT_BOUNDS, Counts
from legato.log.forgetting import forget_user
from legato.log.log import Log
from legato.log.upkeep import Upkeep
from legato.log.values import Delivery, IdempotencyKey, Receipt

__all__ = ["COMMIT_BOUNDS", "Counts", "Delivery", "IdempotencyKey", "Log", "Receipt", "Upkeep", "forget_user"]
