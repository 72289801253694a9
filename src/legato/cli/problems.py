"""What a command says when it cannot do what it was asked."""

from __future__ import annotations

import errno
from typing import Final


class CommandError(Exception):
    """A sentence for whoever typed the command: what is wrong and what to do."""


# What the system refuses a command that is right.
_OF_THE_MACHINE: Final = frozenset(
    (
        errno.EADDRINUSE,
        errno.EADDRNOTAVAIL,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.ENOTDIR,
    )
)


def told(error: Exception) -> str | None:
    """What to say about an error that is the caller's to mend; None when it is a defect."""
    from legato.config import SettingsError
    from legato.events.refusal import Refusal
    from legato.installation import InUseError

    if isinstance(error, Refusal):
        reasons = "; ".join(parameter.reason for parameter in error.invalid)
        return f"{error.detail} {reasons}".strip()
    if isinstance(error, InUseError):
        hint = "" if error.announcement else "; another command or a server that is starting has it, try again"
        return f"{error}{hint}"
    if isinstance(error, (CommandError, SettingsError)):
        return str(error)
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return f"{error.filename or 'the address cannot be listened on'}: {error.strerror}"
    return _of_the_database(error)


def _of_the_database(error: Exception) -> str | None:
    import sys

    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import DatabaseError, OperationalError

    from legato.store.migrate import NewerDatabaseError

    if isinstance(error, NewerDatabaseError) or type(error).__name__ == "MissingNatsError":
        return str(error)
    # SQLite says of a file that is no database what is neither an operational error nor any other kind.
    if isinstance(error, OperationalError) or type(error) is DatabaseError:
        # The driver's own sentence; the statement and its values stay out of it.
        return f"the database cannot be used: {error.orig}".strip()
    return None
