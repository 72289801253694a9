"""What a handler is given and what it gives back, and how it declares its routes.

A room of handlers is a class; a route is a method with ``@route`` above it. The router binds the methods of an
instance; OpenAPI is generated from the same declarations without one (``routes_of``).
"""

from __future__ import annotations

import enum
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Final, Generic, ParamSpec, Protocol, TypeVar

import msgspec

from legato.auth import Principal

if TYPE_CHECKING:
    from legato.api.render import Renderer


class Generation(enum.Enum):
    """A generation of the API; the value is the prefix that links are written with."""

    V0_1 = "v0.1"
    V0_2 = "v0.2"
    V0_3 = "v0.3"
    V1 = "v1"
    V2 = "v2"
    V3 = "v3"


# The Conversation Service lists the same servers for both names of the two oldest generations.
PREFIXES: Final[Mapping[str, Generation]] = {
    "beta": Generation.V0_1,
    "beta2": Generation.V0_2,
    **{generation.value: generation for generation in Generation},
}

OLD: Final = (Generation.V0_1, Generation.V0_2)
NEW: Final = (Generation.V0_3, Generation.V1)
CONVERSATIONAL: Final = OLD + NEW


class Auth(enum.Enum):
    """The credential a route asks for."""

    BEARER = "bearer"  # JWT of an application
    OPTIONAL = "optional"  # the same where there is one; the handler decides what may be seen without
    BASIC = "basic"  # account key and secret
    NONE = "none"


B = TypeVar("B")
Q = TypeVar("Q")


class Request(Generic[B, Q]):
    """One request, already authorised and decoded.

    ``path`` is as the caller wrote it, prefix included; ``params`` are the parts of it that the route names. ``base``
    is the public URL with that prefix, which links are written on.
    ``body`` is of the route's body type (None when it has none) and ``raw`` its bytes; ``query`` is of the route's
    query type. ``headers`` has lower-case bytes for keys.
    """

    __slots__ = (
        "_principal",
        "base",
        "body",
        "chunks",
        "generation",
        "headers",
        "method",
        "params",
        "path",
        "query",
        "raw",
        "render",
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        base: str,
        generation: Generation,
        params: Mapping[str, str],
        headers: Mapping[bytes, bytes],
        principal: Principal | None,
        query: Q,
        body: B,
        raw: bytes,
        render: Renderer,
        chunks: Callable[[], AsyncIterator[bytes]],
    ) -> None:
        self.method = method
        self.path = path
        self.base = base
        self.generation = generation
        self.params = params
        self.headers = headers
        self._principal = principal
        self.query = query
        self.body = body
        self.raw = raw
        self.render = render
        # The body of a route that is ``streamed``, bounded by its ``max_body``. Read to its end, it raises
        # Unauthenticated when the caller's token stands no more.
        self.chunks = chunks

    @property
    def principal(self) -> Principal:
        """Whose token it is; only routes that ask for a token have one."""
        assert self._principal is not None, "the route asks for no token"  # noqa: S101 (a programming error)
        return self._principal

    @property
    def caller(self) -> Principal | None:
        """Whose token it is, or None where a route that can do without one got none."""
        return self._principal

    @property
    def application_id(self) -> str:
        """The caller's application."""
        return self.principal.application_id

    @property
    def user_agent(self) -> str:
        """What the client calls itself, or an empty text."""
        return self.headers.get(b"user-agent", b"").decode("latin-1")


class Raw:
    """Declares a body that is not JSON: the handler reads ``request.raw`` (or ``chunks()``)."""


class Stream(Protocol):
    """A stream that wants to know when it is read no more: an async generator, or what has its ``aclose``."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its chunks."""
        ...

    async def aclose(self) -> None:
        """Nobody reads any more."""
        ...


@dataclass(frozen=True, slots=True)
class Live:
    """A body that goes on for as long as somebody reads it, and is closed when nobody does."""

    chunks: Stream


class Reply(Generic[B]):
    """A status and a body: a msgspec value (sent as JSON), bytes, a stream of bytes, or None for no body at all."""

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        status: int,
        body: B | bytes | AsyncIterator[bytes] | Live | None = None,
        *,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        media_type: bytes = b"application/json",
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers
        self.media_type = media_type


@dataclass(frozen=True, slots=True)
class Answer:
    """A possible answer, for documentation: ``body`` is a type msgspec can describe, or None for an empty one."""

    status: int
    body: Any = None
    summary: str = ""
    media_type: str = "application/json"


BodyTypes = Any  # a type, a mapping of Generation to type, Raw, or None: no body is read
JSON_ONLY: Final = ("application/json",)


@dataclass(frozen=True, slots=True)
class Route:
    """A declared route. ``path`` stands below the prefix and names its parts: ``/conversations/{conversation_id}``.

    ``answer`` names the method of the renderers that writes the success (one for each generation); ``replies`` lists
    what a handler answers that needs no renderer. ``creates``: honours ``Idempotency-Key``. ``max_body`` is in bytes,
    None: the setting's. ``streamed``: the handler reads ``request.chunks()`` itself. ``codes``: the platform codes it
    refuses with, besides those that every route has.
    """

    method: str
    path: str
    summary: str
    tag: str
    generations: tuple[Generation, ...]
    auth: Auth = Auth.BEARER
    admin_only: bool = False
    body: BodyTypes = None
    query: type[msgspec.Struct] | None = None
    answer: str | None = None
    replies: tuple[Answer, ...] = ()
    accepts: tuple[str, ...] = JSON_ONLY
    creates: bool = False
    max_body: int | None = None
    streamed: bool = False
    codes: tuple[str, ...] = ()
    name: str = field(default="", compare=False)  # the handler's, for the operation id

    @property
    def acl(self) -> str:
        """The ACL pattern that lets a token use it: ``/*/conversations/**``."""
        return f"/*/{self.path.split('/')[1]}/**"

    def body_type(self, generation: Generation) -> Any:
        """What the body is decoded into for that generation."""
        return self.body[generation] if isinstance(self.body, Mapping) else self.body


H = TypeVar("H", bound=Callable[..., Awaitable[Reply[Any]]])


def route(
    method: str,
    path: str,
    summary: str,
    *,
    tag: str,
    generations: tuple[Generation, ...] = CONVERSATIONAL,
    **rest: Any,
) -> Callable[[H], H]:
    """Declares the method below it as the handler of a route; several may stand above one method."""

    def declare(handler: H) -> H:
        declared = Route(method, path, summary, tag, generations, name=handler.__name__, **rest)
        handler.__dict__.setdefault("routes", []).insert(0, declared)
        return handler

    return declare


def routes_of(handlers: type | object) -> list[tuple[Route, str]]:
    """The routes that a class of handlers declares, in the order of its text, and the methods that serve them."""
    kind = handlers if isinstance(handlers, type) else type(handlers)
    return [
        (declared, name)
        for name, member in vars(kind).items()
        for declared in getattr(member, "routes", ())
        if isinstance(declared, Route)
    ]


P = ParamSpec("P")
S = TypeVar("S")
T = TypeVar("T")


def answers(
    status: int, summary: str = ""
) -> Callable[[Callable[Concatenate[S, P], T]], Callable[Concatenate[S, P], Reply[T]]]:
    """Makes a renderer's method answer its value with that status; its return type is what OpenAPI shows."""

    def wrap(render: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], Reply[T]]:
        def reply(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Reply[T]:
            return Reply(status, render(self, *args, **kwargs))

        reply.__name__, reply.__qualname__, reply.__doc__ = render.__name__, render.__qualname__, render.__doc__
        reply.__dict__.update(__wrapped__=render, status=status, summary=summary)
        return reply

    return wrap


def answer_of(renderer: type, name: str) -> Answer:
    """The documented answer of a renderer's method."""
    method = getattr(renderer, name)
    body = typing.get_type_hints(method.__wrapped__)["return"]
    return Answer(method.status, None if body is type(None) else body, method.summary)
