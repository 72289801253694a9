"""Refusals as each generation of the API writes them.

::

    beta, v0.1, beta2, v0.2   {"code", "description", "error"?: {"<field>": "\\"<field>\\" must be …"}}
    v0.3, v1, v3              RFC 7807 with the platform's code: {"type", "title", "code", "detail", "instance",
                              "invalid_parameters"?: [{"name", "reason"}]}
    v2 (applications)         RFC 7807 without a code

The status follows the code where the platform documents one, and the kind of refusal otherwise.
"""

from __future__ import annotations

import logging
import math
import traceback
from collections.abc import Callable, Mapping
from typing import Final

from legato.api import request_id
from legato.api.contract import Generation, Reply
from legato.events.envelope import JsonObject
from legato.events.refusal import Refusal, Unauthenticated

log = logging.getLogger(__name__)

STATUS: Final[Mapping[str, int]] = {
    "http:error:validation-fail": 400,
    "http:error:method-not-allowed": 405,
    "http:error:unsupported-media-type": 415,
    "http:error:not-found": 404,
    "http:error:version-not-allowed": 404,
    "system:error:invalid-token": 401,
    "system:error:expired-token": 401,
    "system:error:permission": 403,
    "system:error:internal-error": 500,
    "system:error:invalid-event": 400,
    "paginator-builder:error:invalid-cursor": 400,
    "conversation:error:not-found": 404,
    "conversation:error:duplicate-name": 400,
    "conversation:error:member-already-joined": 400,
    "conversation:error:already-member": 400,
    "conversation:error:invalid-member-state": 400,
    "conversation:error:invalid-action": 400,
    "conversation:error:invalid-channel": 400,
    "conversation:error:invalid-event": 400,
    "conversation:error:not-allowed": 403,
    "conversation:error:deleted": 404,
    "conversation:error:maximum-number-of-members": 400,
    "user:error:not-found": 404,
    "user:error:duplicate-name": 400,
    "member:error:not-found": 404,
    "event:error:not-found": 404,
    "event:error:not-joined": 403,
    "event:error:permission-denied": 403,
    "event:error:unknown-event": 400,
    "text:error:not-joined": 403,
    "text:error:permission-denied": 403,
    "text:error:invalid-member": 400,
    "text:error:unknown-event": 400,
    "image:error:not-joined": 403,
    "image:error:permission-denied": 403,
    "image:error:invalid-member": 400,
    "image:error:unknown-event": 400,
    "session:error:invalid": 401,
    "session:error:not-found": 404,
    "session:error:max-open-sessions": 409,
    "session:error:max-open-sessions-permitted": 409,
    "device:error:invalid": 400,
    "push:register:error": 400,
}

TITLES: Final[Mapping[int, str]] = {
    400: "Bad request.",
    401: "Unauthorized.",
    403: "Forbidden.",
    404: "Not found.",
    405: "Method not allowed.",
    408: "Request timeout.",
    409: "Conflict.",
    413: "Payload too large.",
    415: "Unsupported media type.",
    416: "Range not satisfiable.",
    429: "Too many requests.",
    500: "Internal Error.",
    501: "Not implemented.",
    503: "Service unavailable.",
    507: "Insufficient storage.",
}


class MethodNotAllowed(Refusal):
    """There is such a path, and it answers to other methods: ``allowed``."""

    status = 405

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__("http:error:method-not-allowed", "Request method not supported.")
        self.allowed = allowed


class UnsupportedMediaType(Refusal):
    """A body of a type that the route does not read."""

    status = 415

    def __init__(self, accepts: tuple[str, ...]) -> None:
        super().__init__("http:error:unsupported-media-type", f"The body must be {' or '.join(accepts)}.")


class PayloadTooLarge(Refusal):
    """A body over the bound, in bytes."""

    status = 413

    def __init__(self, bound: int) -> None:
        super().__init__("http:error:payload-too-large", f"The body must be at most {bound} bytes.")


class RequestTimeout(Refusal):
    """A body that stopped coming; ``seconds`` is how long was waited."""

    status = 408

    def __init__(self, seconds: float) -> None:
        super().__init__("http:error:request-timeout", f"Nothing more of the body came for {seconds:g} seconds.")


class InternalError(Refusal):
    """Something went wrong that is not the caller's to mend; ``instance`` finds it in the log."""

    status = 500

    def __init__(self) -> None:
        super().__init__("system:error:internal-error", "Something went wrong on our side.")


def status_of(refusal: Refusal) -> int:
    """The HTTP status of a refusal."""
    if isinstance(refusal, Unauthenticated):
        return 401  # whatever was missing (`user:error:not-found`: the token's user), it is who calls that is not known
    return STATUS.get(refusal.code, refusal.status)


def _flat(refusal: Refusal, status: int, instance: str) -> JsonObject:
    body: JsonObject = {"code": refusal.code, "description": refusal.detail}
    if refusal.invalid:
        body["error"] = {parameter.name: parameter.reason for parameter in refusal.invalid}
    return body


def _problem(types: str) -> Callable[[Refusal, int, str], JsonObject]:
    def write(refusal: Refusal, status: int, instance: str) -> JsonObject:
        body: JsonObject = {
            "type": f"{types}#{refusal.code}",
            "title": TITLES.get(status, "Error."),
            "code": refusal.code,
            "detail": refusal.detail,
            "instance": instance,
        }
        if refusal.invalid:
            body["invalid_parameters"] = [{"name": p.name, "reason": p.reason} for p in refusal.invalid]
        return body

    return write


_ANCHORS: Final[Mapping[int, str]] = {
    400: "invalid-parameters",
    401: "unauthorized",
    403: "forbidden",
    404: "not-found",
    429: "throttled",
}


def _bare_problem(refusal: Refusal, status: int, instance: str) -> JsonObject:
    anchor = _ANCHORS.get(status, refusal.code.rpartition(":")[2])
    body: JsonObject = {
        "type": f"https://developer.nexmo.com/api-errors#{anchor}",
        "title": TITLES.get(status, "Error.").removesuffix("."),
        "detail": refusal.detail,
        "instance": instance,
    }
    if refusal.invalid:
        body["invalid_parameters"] = [{"name": p.name, "reason": p.reason} for p in refusal.invalid]
    return body


# The old documentation's host stands in the types of v0.3, the new one's in those of v1: clients compare them as text.
_SHAPES: Final[Mapping[Generation, Callable[[Refusal, int, str], JsonObject]]] = {
    Generation.V0_1: _flat,
    Generation.V0_2: _flat,
    Generation.V0_3: _problem("https://developer.nexmo.com/api/conversation"),
    Generation.V1: _problem("https://developer.vonage.com/api/conversation"),
    Generation.V2: _bare_problem,
    Generation.V3: _problem("https://developer.vonage.com/api/media"),
}


def refused(refusal: Refusal, generation: Generation, instance: str | None = None) -> Reply[JsonObject]:
    """The answer that says so, in the shape of that generation.

    ``instance`` is the id of the request, unless given, and goes with every refusal as ``X-Request-Id``.
    """
    status = status_of(refusal)
    instance = instance or request_id.current() or request_id.new()
    body = _SHAPES[generation](refusal, status, instance)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if isinstance(refusal, MethodNotAllowed):
        headers = ((b"allow", ", ".join(refusal.allowed).encode()),)  # RFC 9110 15.5.6
    elif refusal.retry_after is not None:
        headers = ((b"retry-after", str(max(1, math.ceil(refusal.retry_after))).encode()),)
    elif isinstance(refusal, RequestTimeout):
        headers = ((b"connection", b"close"),)  # RFC 9110 15.5.9
    elif status == 401:
        headers = ((b"www-authenticate", b"Basic" if generation is Generation.V2 else b"Bearer"),)
    headers = (*headers, (request_id.HEADER, instance.encode()))
    return Reply(status, body, headers=headers)  # application/json: the SDKs parse nothing else


def failed(error: Exception, generation: Generation) -> Reply[JsonObject]:
    """The answer to an error that nobody expected. The log gets where it happened, never a message text."""
    instance = request_id.current() or request_id.new()
    frames = traceback.extract_tb(error.__traceback__)[::-1]
    ours = [frames[0], *(frame for frame in frames[1:] if "legato" in frame.filename)] if frames else []
    where = " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in ours)
    log.error("internal error, instance %s: %s at %s", instance, type(error).__qualname__, where)
    return refused(InternalError(), generation, instance)
