"""Access lists: patterns, methods, filters, and lists that cannot be understood."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from legato.auth import CLIENT_ACL, Acl
from legato.auth.acl import EVERYTHING, SESSION_ONLY
from legato.events.refusal import Unauthenticated

MATCHES = [
    ("/**", "/", True),
    ("/**", "/v0.3/users/USR-1", True),
    ("/*/users/**", "/v0.3/users", True),
    ("/*/users/**", "/v0.3/users/", True),
    ("/*/users/**", "/beta2/users/USR-1/conversations", True),
    ("/*/users/**", "/v0.3/usersx", False),
    ("/*/users/**", "/users", False),
    ("/*/users/**", "/a/b/users", False),
    ("/*/users/**", "//users", False),
    ("/*/users/*", "/v1/users/USR-1", True),
    ("/*/users/*", "/v1/users", False),
    ("/*/users/*", "/v1/users/USR-1/sessions", False),
    ("/v1/users", "/v1/users", True),
    ("/v1/users/", "/v1/users", True),
    ("/v1/users", "/v1x/users", False),
    ("/v0.3/users", "/v0x3/users", False),
    ("/v1/users", "/v1/users/USR-1", False),
    ("/*", "/v1", True),
    ("/*", "/", False),
    ("/", "/", True),
    ("/", "/v1", False),
    ("/v*/users", "/v1/users", False),
    ("/*/conversations/*/events/**", "/v0.3/conversations/CON-1/events/7", True),
    ("/*/conversations/*/events/**", "/v0.3/conversations/CON-1/members", False),
    ("/v1/users/**", "/v1/users/a\nb", True),
    ("/v1/users", "/v1/users\n", False),
    ("/V1/users", "/v1/users", False),
]


@pytest.mark.parametrize(("pattern", "path", "reached"), MATCHES)
def test_a_pattern_reaches_exactly_the_paths_it_names(pattern: str, path: str, reached: bool) -> None:
    assert Acl.of({"paths": {pattern: {}}}).allows("GET", path) is reached


def test_a_grant_without_methods_reaches_every_method() -> None:
    acl = Acl.of({"paths": {"/*/users/**": {}}})
    assert all(acl.allows(method, "/v1/users") for method in ("GET", "POST", "PUT", "PATCH", "DELETE"))


def test_a_null_grant_is_an_empty_one() -> None:
    assert Acl.of({"paths": {"/*/users/**": None}}).allows("DELETE", "/v1/users")


def test_methods_restrict_a_grant() -> None:
    acl = Acl.of({"paths": {"/*/users/**": {"methods": ["get", "POST"]}}})
    assert [acl.allows(method, "/v1/users") for method in ("GET", "HEAD", "POST", "DELETE")] == [
        True,
        True,
        True,
        False,
    ]


def test_an_empty_list_of_methods_grants_nothing() -> None:
    assert not Acl.of({"paths": {"/**": {"methods": []}}}).allows("GET", "/v1/users")


def test_grants_of_several_patterns_add_up() -> None:
    acl = Acl.of({"paths": {"/*/users/**": {"methods": ["GET"]}, "/v1/users": {"methods": ["POST"]}}})
    assert acl.allows("GET", "/v1/users")
    assert acl.allows("POST", "/v1/users")
    assert not acl.allows("POST", "/v1/users/USR-1")


def test_filters_grant_only_requests_with_those_values() -> None:
    acl = Acl.of({"paths": {"/*/knocking": {"filters": {"to": "447700900000"}}}})
    assert acl.allows("POST", "/v1/knocking", {"to": "447700900000", "from": "x"})
    assert not acl.allows("POST", "/v1/knocking", {"to": "447700900001"})
    assert not acl.allows("POST", "/v1/knocking")


def test_a_list_without_patterns_grants_nothing() -> None:
    assert not Acl.of({"paths": {}}).allows("GET", "/")


@pytest.mark.parametrize(
    "claim",
    [
        [],
        "/**",
        {},
        {"paths": []},
        {"paths": {"/**": []}},
        {"paths": {"/**": {"methods": "GET"}}},
        {"paths": {"/**": {"methods": [1]}}},
        {"paths": {"/**": {"filters": []}}},
        {"paths": {"users/**": {}}},
        {"paths": {"": {}}},
        {"paths": {"/**/users": {}}},
    ],
)
def test_a_malformed_list_makes_the_token_invalid(claim: Any) -> None:
    with pytest.raises(Unauthenticated) as refused:
        Acl.of(claim)
    assert refused.value.code == "system:error:invalid-token"


def test_equal_lists_share_one_compiled_value() -> None:
    assert Acl.of({"paths": {"/v9/users/**": {}}}) is Acl.of({"paths": {"/v9/users/**": {}}})


def test_lists_that_differ_only_in_methods_stay_apart() -> None:
    read = Acl.of({"paths": {"/v9/users": {"methods": ["GET"]}}})
    write = Acl.of({"paths": {"/v9/users": {"methods": ["POST"]}}})
    assert (read.allows("POST", "/v9/users"), write.allows("POST", "/v9/users")) == (False, True)


@pytest.mark.parametrize(
    "path", ["/v0.3/conversations/CON-1/events", "/v1/image", "/beta/knocking", "/v0.2/sessions/SES-1", "/v2/rtc"]
)
def test_the_documented_client_list_reaches_what_clients_call(path: str) -> None:
    assert Acl.of(dict(CLIENT_ACL)).allows("POST", path)


@pytest.mark.parametrize(
    ("path", "reached"), [("/v0.2/sessions/SES-1", True), ("/v2/rtc", True), ("/v0.3/users", False)]
)
def test_the_list_of_a_user_without_one_reaches_sessions_only(path: str, reached: bool) -> None:
    assert SESSION_ONLY.allows("PUT", path) is reached


@given(st.text(), st.sampled_from(["GET", "POST", "DELETE", "BREW"]))
def test_everything_is_everything(tail: str, method: str) -> None:
    assert EVERYTHING.allows(method, "/" + tail)


_segment = st.text(st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1).filter(
    lambda text: text not in ("*", "**")
)


@given(st.lists(_segment, min_size=1), st.lists(_segment, min_size=1))
def test_a_pattern_without_wildcards_reaches_itself_alone(pattern: list[str], path: list[str]) -> None:
    acl = Acl.of({"paths": {"/" + "/".join(pattern): {}}})
    assert acl.allows("GET", "/" + "/".join(pattern))
    assert acl.allows("GET", "/" + "/".join(path)) is (pattern == path)
