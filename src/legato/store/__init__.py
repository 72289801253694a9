"""The database: tables, migrations, the one commit, and what is read from it."""

from legato.store.batch import Batch, Head, StaleState, commit_batch
from legato.store.engine import Store
from legato.store.rows import StoredEvent

__all__ = ["Batch", "Head", "StaleState", "Store", "StoredEvent", "commit_batch"]
