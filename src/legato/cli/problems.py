"""What a command says when it cannot do what it was asked."""

from __future__ import annotations

import errno


class CommandError(Exception):
    """A sentence for whoever typed the command: what is wrong and what to do."""


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
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
        return f"{error.filename or 'the address cannot be listened on'}: {error.strerror}"
    return _of_the_database(error)


def _of_the_database(error: Exception) -> str | None:
    import sys

    if "sqlalchemy" not in sys.modules:
        return None
    from sqlalchemy.exc import OperationalError

    # The driver's own sentence; the statement and its values stay out of it.
    return f"the database cannot be used: {error.orig}".strip() if isinstance(error, OperationalError) else None
