"""Which status and shape a refusal becomes."""

from __future__ import annotations

import pytest

from legato.api import Generation
from legato.api.errors import STATUS, TITLES, InternalError, MethodNotAllowed, PayloadTooLarge, refused, status_of
from legato.events.refusal import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Overloaded,
    Refusal,
    Unauthenticated,
    Unavailable,
)
from legato.store import StoreUnreachable


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (Refusal("conversation:error:duplicate-name", ""), 400),
        (Conflict("conversation:error:duplicate-name", ""), 400),
        (Conflict("something:else", ""), 409),
        (Forbidden(""), 403),
        (NotFound("event:error:not-found", ""), 404),
        (Unauthenticated(""), 401),
        (Unauthenticated("", code="user:error:not-found"), 401),
        (NotFound("user:error:not-found", ""), 404),
        (Overloaded(""), 429),
        (StoreUnreachable(), 503),
        (Unavailable(""), 501),
        (PayloadTooLarge(1), 413),
        (MethodNotAllowed(("GET",)), 405),
        (InternalError(), 500),
        (InvalidInput(), 400),
    ],
)
def test_the_code_decides_the_status_and_the_kind_does_otherwise(refusal: Refusal, status: int) -> None:
    assert status_of(refusal) == status


def test_every_status_has_a_title() -> None:
    assert set(STATUS.values()) <= set(TITLES)


def test_the_applications_shape_has_no_code() -> None:
    body = refused(InvalidInput.of("name", "is required"), Generation.V2, "0" * 32).body
    assert body == {
        "type": "https://developer.nexmo.com/api-errors#invalid-parameters",
        "title": "Bad request",
        "detail": "Input validation failure.",
        "instance": "0" * 32,
        "invalid_parameters": [{"name": "name", "reason": '"name" is required'}],
    }


def test_whole_seconds_are_told_until_the_next_try() -> None:
    for seconds, told in ((0.01, b"1"), (1.0, b"1"), (1.2, b"2")):
        assert (b"retry-after", told) in refused(Overloaded("", retry_after=seconds), Generation.V1).headers
    assert (b"retry-after", b"2") in refused(StoreUnreachable(), Generation.V1).headers


def test_whom_to_be_is_asked_in_the_routes_own_scheme() -> None:
    assert (b"www-authenticate", b"Basic") in refused(Unauthenticated(""), Generation.V2).headers
    assert (b"www-authenticate", b"Bearer") in refused(Unauthenticated(""), Generation.V0_3).headers
