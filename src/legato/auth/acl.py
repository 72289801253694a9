"""Access control lists: which paths and methods a token reaches.

A list is the ``acl`` claim: ``{"paths": {"/*/users/**": {}, "/v1/image": {"methods": ["POST"], "filters": {…}}}}``.
In a pattern ``*`` is exactly one segment and a final ``**`` is the rest, which may be empty; ``/**`` is everything.
Source: JWT and ACL guide of the Conversation API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import msgspec

from legato.events.refusal import Unauthenticated

# Tokens of one application carry few different lists; each compiled one is some kilobytes.
_MAX_COMPILED: Final = 1024

_NO_FIELDS: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class _Rule:
    """A pattern that reaches only some methods, or only requests whose fields have certain values."""

    path: re.Pattern[str]
    methods: frozenset[str] | None
    filters: tuple[tuple[str, Any], ...]

    def allows(self, method: str, path: str, fields: Mapping[str, Any]) -> bool:
        if self.methods is not None and method not in self.methods:
            return False
        if any(fields.get(name) != value for name, value in self.filters):
            return False
        return self.path.match(path) is not None


class Acl:
    """A compiled list. The same list is compiled once however many tokens carry it."""

    __slots__ = ("_free", "_rules")

    def __init__(self, free: re.Pattern[str] | None, rules: tuple[_Rule, ...]) -> None:
        self._free = free
        self._rules = rules

    @classmethod
    def of(cls, claim: Any) -> Acl:
        """The list in an ``acl`` claim.

        Raises Unauthenticated (``system:error:invalid-token``) when it is malformed: a list that cannot be understood
        must not be read as a wider one.
        """
        try:
            document = msgspec.json.encode(msgspec.convert(claim, _Document, strict=True))
        except msgspec.ValidationError as error:
            raise Unauthenticated(f"The token's acl is malformed: {error}.") from error
        return _compile(document)

    def allows(self, method: str, path: str, fields: Mapping[str, Any] = _NO_FIELDS) -> bool:
        """Whether the list reaches ``path`` (decoded, without the query; a trailing slash does not matter).

        ``fields`` are the request's query and top-level body values: a rule with filters grants nothing without them.
        HEAD counts as GET.
        """
        path = path.rstrip("/") or "/"
        if self._free is not None and self._free.match(path) is not None:
            return True
        if not self._rules:
            return False
        method = "GET" if method == "HEAD" else method
        return any(rule.allows(method, path, fields) for rule in self._rules)


class _Grant(msgspec.Struct, omit_defaults=True):
    methods: list[str] | None = None
    filters: dict[str, Any] | None = None


class _Document(msgspec.Struct):
    paths: dict[str, _Grant | None]


_decode_document = msgspec.json.Decoder(_Document).decode


@lru_cache(maxsize=_MAX_COMPILED)
def _compile(document: bytes) -> Acl:
    free: list[str] = []
    rules: list[_Rule] = []
    for pattern, grant in _decode_document(document).paths.items():
        expression = _expression(pattern)
        methods = grant.methods if grant else None
        filters = tuple((grant.filters or {}).items()) if grant else ()
        if methods is None and not filters:
            free.append(expression)
        else:
            named = None if methods is None else frozenset(method.upper() for method in methods)
            rules.append(_Rule(re.compile(expression), named, filters))
    return Acl(re.compile("|".join(free)) if free else None, tuple(rules))


def _expression(pattern: str) -> str:
    """The pattern as a regular expression over a whole path. Linear to match: it never holds two open repeats."""
    if not pattern.startswith("/"):
        raise Unauthenticated(f'The token\'s acl is malformed: path "{pattern}" must begin with "/".')
    segments = pattern.rstrip("/").split("/")[1:]
    parts: list[str] = []
    for place, segment in enumerate(segments):
        if segment == "**":
            if place != len(segments) - 1:
                raise Unauthenticated(f'The token\'s acl is malformed: in "{pattern}", "**" must come last.')
            parts.append("(?:/.*)?")
        elif segment == "*":
            parts.append("/[^/]+")
        else:
            parts.append("/" + re.escape(segment))
    return "(?s:" + ("".join(parts) or "/") + r")\Z"


# A user's token without a list opens, refreshes and ends its own session, and nothing else.
SESSION_ONLY: Final = Acl.of({"paths": {"/*/rtc/**": {}, "/*/sessions/**": {}, "/*/session/**": {}}})
EVERYTHING: Final = Acl.of({"paths": {"/**": {}}})
