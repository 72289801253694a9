"""The one family of errors that is meant to reach a caller.

::

    Refusal                    a request was understood and refused; nothing changed
    ├── InvalidInput           the request itself is malformed (``invalid`` names the fields)
    ├── Unauthenticated        who is calling is not known: no token, a bad one, an expired one
    ├── Forbidden              the caller is known and may not do this
    ├── NotFound               there is no such thing, or it belongs to somebody else
    ├── Conflict               it clashes with what is already there
    ├── Overloaded             a bound is reached; try again later
    └── Unavailable            declared, but nothing in this server can perform it

A refusal carries the platform's code (``conversation:error:not-found``). Which HTTP status and body that becomes is
decided by ``legato.api`` for each generation of the API; sockets send the code as an event.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InvalidParameter:
    """One field that was refused, and what it must be."""

    name: str
    reason: str


class Refusal(Exception):  # noqa: N818 - it is an answer to a caller, no error of the program
    """A refused request: ``code`` for machines, ``detail`` says what the caller should change."""

    status = 400
    retry_after: float | None = None  # seconds, where trying again may help

    def __init__(self, code: str, detail: str, *, invalid: tuple[InvalidParameter, ...] = ()) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.invalid = invalid


class InvalidInput(Refusal):
    """Malformed input. Code ``http:error:validation-fail`` unless a caller says otherwise."""

    def __init__(
        self,
        detail: str = "Input validation failure.",
        *,
        code: str = "http:error:validation-fail",
        invalid: tuple[InvalidParameter, ...] = (),
    ) -> None:
        super().__init__(code, detail, invalid=invalid)

    @classmethod
    def of(cls, name: str, reason: str) -> InvalidInput:
        """One field is wrong; ``reason`` continues the quoted name: ``must be a string``."""
        return cls(invalid=(InvalidParameter(name, f'"{name}" {reason}'),))


class Unauthenticated(Refusal):
    """``system:error:invalid-token`` or ``system:error:expired-token``."""

    status = 401

    def __init__(self, detail: str, *, code: str = "system:error:invalid-token") -> None:
        super().__init__(code, detail)


class Forbidden(Refusal):
    """The caller may not do this."""

    status = 403

    def __init__(self, detail: str, *, code: str = "system:error:permission") -> None:
        super().__init__(code, detail)


class NotFound(Refusal):
    """No such thing, or not the caller's to see: the two look the same from outside."""

    status = 404


class Conflict(Refusal):
    """It clashes with what is there."""

    status = 409


class Overloaded(Refusal):
    """A bound is reached."""

    status = 429

    def __init__(self, detail: str, *, code: str = "system:error:overloaded", retry_after: float = 1.0) -> None:
        super().__init__(code, detail)
        self.retry_after = retry_after


class Unavailable(Refusal):
    """Declared in the catalogue or the API, but this server has nothing that can perform it."""

    status = 501

    def __init__(self, detail: str, *, code: str = "system:error:not-available") -> None:
        super().__init__(code, detail)
