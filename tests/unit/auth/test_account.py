"""The account's credentials, in the header and in the query."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

import pytest

from legato.auth import authenticate_account, bearer
from legato.events.refusal import Unauthenticated

from .stage import START


@dataclass
class TwoSecrets:
    """Rotated: the old secret ends ten seconds after the start."""

    api_key: str = "a1b2c3d4"

    def secrets_at(self, now: float) -> list[str]:
        return ["new secret é", *(["old:secret"] if now < START + 10 else [])]


def _basic(text: str) -> str:
    return "Basic " + b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        _basic("a1b2c3d4:new secret é"),
        _basic("a1b2c3d4:old:secret"),
        _basic("a1b2c3d4:old:secret").replace("Basic", "bAsIc"),
    ],
)
def test_each_valid_secret_is_accepted(header: str) -> None:
    authenticate_account(TwoSecrets(), START, header)


def test_the_query_is_accepted_without_a_header() -> None:
    authenticate_account(TwoSecrets(), START, None, "a1b2c3d4", "old:secret")


def test_a_secret_that_was_rotated_out_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        authenticate_account(TwoSecrets(), START + 10, _basic("a1b2c3d4:old:secret"))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic " + b64encode(b"\xff\xfe").decode(),
        "Bearer x",
        _basic("a1b2c3d4"),
        _basic("a1b2c3d4:"),
        _basic(":new secret é"),
        _basic("a1b2c3d5:new secret é"),
        _basic("a1b2c3d4:new secret e"),
        _basic("A1B2C3D4:new secret é"),
    ],
)
def test_other_headers_are_refused_whatever_the_query_says(header: str) -> None:
    with pytest.raises(Unauthenticated):
        authenticate_account(TwoSecrets(), START, header, "a1b2c3d4", "old:secret")


@pytest.mark.parametrize(("key", "secret"), [(None, None), ("a1b2c3d4", None), (None, "old:secret"), ("x", "y")])
def test_an_incomplete_or_wrong_query_is_refused(key: str | None, secret: str | None) -> None:
    with pytest.raises(Unauthenticated):
        authenticate_account(TwoSecrets(), START, None, key, secret)


@pytest.mark.parametrize(
    ("header", "token"),
    [
        (None, None),
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic abc", None),
        ("Bearer abc", "abc"),
        ("bearer  abc ", "abc"),
    ],
)
def test_the_bearer_scheme_is_read_in_any_case(header: str | None, token: str | None) -> None:
    assert bearer(header) == token
