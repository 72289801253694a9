"""The database: tables, migrations, the one commit, and what is read from it."""

from legato.store.batch import Batch, Head, StaleStateError, commit_batch
from legato.store.engine import Store
from legato.store.hold import AnotherServerError
from legato.store.rows import StoredEvent

__all__ = ["AnotherServerError", "Batch", "Head", "StaleStateError", "Store", "StoredEvent", "commit_batch"]
