"""The database: tables, migrations, the one commit, and what is read from it."""

from legato.store.batch import Batch, Committed, Head, StaleStateError, commit_batch
from legato.store.engine import Store
from legato.store.heads import Notice
from legato.store.rows import StoredEvent
from legato.store.turn import Behind, StoreUnreachable

__all__ = [
    "Batch",
    "Behind",
    "Committed",
    "Head",
    "Notice",
    "StaleStateError",
    "Store",
    "StoreUnreachable",
    "StoredEvent",
    "commit_batch",
]
