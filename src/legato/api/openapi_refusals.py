"""How a refusal looks and which a route can give, for the document. ``legato.api.errors`` writes the real ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from legato.api.contract import OLD, Auth, Generation, Route
from legato.api.errors import STATUS, TITLES
from legato.events.envelope import JsonObject


class FlatError(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A refusal in beta, v0.1, beta2 and v0.2. ``error`` names the fields that were wrong."""

    code: str
    description: str
    error: dict[str, str] | UnsetType = UNSET


class WrongParameter(msgspec.Struct):
    """One field, and what it must be."""

    name: str
    reason: str


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A refusal after RFC 7807. ``instance`` finds it in the server's log, and is in ``X-Request-Id``."""

    type: str
    title: str
    detail: str
    instance: Annotated[str, Meta(pattern="^[!-~]{1,64}$")]
    invalid_parameters: list[WrongParameter] | UnsetType = UNSET


class CodedProblem(Problem, kw_only=True, omit_defaults=True):
    """The same with the platform's code."""

    code: str


def shape_of(generation: Generation) -> type[msgspec.Struct]:
    """The body of a refusal in that generation."""
    if generation in OLD:
        return FlatError
    return Problem if generation is Generation.V2 else CodedProblem


@dataclass(frozen=True, slots=True)
class PossibleRefusal:
    """A status with the codes that come with it, where they are more than the usual one."""

    status: int
    codes: tuple[str, ...]

    def response(self, schema: JsonObject) -> JsonObject:
        """Its Response Object."""
        described = TITLES.get(self.status, "Refused.")
        if self.codes:
            described += " " + ", ".join(f"`{code}`" for code in self.codes)
        return {"description": described, "content": {"application/json": {"schema": schema}}}


# Codes whose status the table of the platform's codes does not give.
_OWN_STATUS: Final = {
    "http:error:range-not-satisfiable": 416,
    "http:error:payload-too-large": 413,
    "media:error:not-found": 404,
    "media:error:download-limit": 403,
    "device:error:not-found": 404,
    "system:error:not-available": 501,
    "account:error:last-secret": 409,
    "account:error:rotation-under-way": 409,
    "account:error:too-many-secrets": 409,
}


def refusals_of(route: Route) -> list[PossibleRefusal]:
    """What the route refuses with: what it declares, and what every route of its kind does."""
    codes: dict[int, list[str]] = {status: [] for status in _usual(route)}
    for code in route.codes:
        status = STATUS.get(code) or _OWN_STATUS.get(code) or _guess(code)
        codes.setdefault(status, []).append(code)
    return [PossibleRefusal(status, tuple(found)) for status, found in sorted(codes.items())]


def _usual(route: Route) -> set[int]:
    usual = {400, 429, 500, 503}
    if route.auth is not Auth.NONE:
        usual |= {401}
    if route.auth in (Auth.BEARER, Auth.OPTIONAL):
        usual |= {403}
    if "{" in route.path:
        usual |= {404}
    if route.body is not None:
        usual |= {413, 415}
    if route.creates:
        usual |= {409}
    if "multipart/form-data" in route.accepts and route.creates:
        usual |= {507}
    if route.answer is None and not route.replies:
        usual |= {501}  # declared for what clients ask, and nothing here can perform it
    return usual


def _guess(code: str) -> int:
    """The platform's codes end in what happened."""
    return 404 if code.endswith("not-found") else 400
