"""From a method and a path to the route that answers: one trie per generation, a step per segment.

::

    /v0.3/conversations/CON-…/events/
     │    │             │     │     └ a trailing slash is tolerated (the Java SDK writes one)
     │    │             │     └ a literal wins over a parameter
     │    │             └ a parameter
     └ the generation: beta is v0.1 and beta2 is v0.2
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from legato.api.contract import PREFIXES, Generation, Raw, Reply, Request, Route, routes_of
from legato.api.decode import body_decoder, query_decoder
from legato.api.errors import MethodNotAllowed
from legato.api.render import RENDERERS, Renderer
from legato.events.refusal import InvalidInput, NotFound

Handler = Callable[[Request[Any, Any]], Awaitable[Reply[Any]]]

# Longer than any id or name that a path can hold (a user's name: 200 characters, 12 bytes each when escaped).
MAX_PATH: Final = 4_096


@dataclass(frozen=True, slots=True)
class Bound:
    """A route ready to be called, with all that can be known before a request comes."""

    route: Route
    handler: Handler
    generation: Generation
    render: Renderer
    decode: Callable[[bytes], Any] | None
    query: Callable[[bytes], Any] | None
    names: tuple[str, ...]
    accepts: frozenset[bytes]


class _Node:
    __slots__ = ("children", "methods", "parameter")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Bound] = {}


class Match(NamedTuple):
    """What a path led to."""

    bound: Bound
    prefix: str
    params: dict[str, str]


class Router:
    """Finds routes. It is filled once, by ``add``, and only read afterwards."""

    def __init__(self, rooms: Iterable[object] = ()) -> None:
        self._roots = {generation: _Node() for generation in Generation}
        self.routes: list[Route] = []
        for room in rooms:
            self.add(room)

    def add(self, room: object) -> None:
        """Binds every route that the class of ``room`` declares. ValueError when one is declared twice."""
        for route, name in routes_of(room):
            self.routes.append(route)
            for generation in route.generations:
                self._bind(route, getattr(room, name), generation)

    def _bind(self, route: Route, handler: Handler, generation: Generation) -> None:
        node, names = self._roots[generation], []
        for segment in route.path.strip("/").split("/"):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.children.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"{route.method} {route.path} of {generation.value} is declared twice")
        body = route.body_type(generation)
        node.methods[route.method] = Bound(
            route,
            handler,
            generation,
            RENDERERS[generation],
            None if body is None or body is Raw or route.streamed else body_decoder(body),
            None if route.query is None else query_decoder(route.query),
            tuple(names),
            frozenset(media_type.encode() for media_type in route.accepts),
        )

    def find(self, method: str, path: str) -> Match:
        """The route for ``path``, whose segments are still percent-encoded.

        Raises NotFound (``http:error:not-found``) and MethodNotAllowed.
        """
        if len(path) > MAX_PATH or not path.startswith("/"):  # RFC 9112 3.2.4: `*` is the server as a whole
            raise NOT_FOUND
        segments = path.split("/")
        generation = PREFIXES.get(segments[1])
        if generation is None:
            raise NOT_FOUND
        node: _Node | None = self._roots[generation]
        values = []
        last = len(segments) - 1
        for index in range(2, len(segments)):
            segment = segments[index]
            if not segment and index == last:
                break
            assert node is not None  # noqa: S101 (the loop leaves when it is)
            child = node.children.get(segment)
            if child is None:
                child = node.parameter
                if child is None or not segment:
                    raise NOT_FOUND
                values.append(_decoded(segment) if "%" in segment else segment)
            node = child
        assert node is not None  # noqa: S101
        bound = node.methods.get(method)
        if bound is None:
            if not node.methods:
                raise NOT_FOUND
            raise MethodNotAllowed((*node.methods, "OPTIONS"))
        return Match(bound, segments[1], dict(zip(bound.names, values, strict=True)))


NOT_FOUND: Final = NotFound("http:error:not-found", "There is nothing at this path.")


def _decoded(segment: str) -> str:
    try:
        text = unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise InvalidInput("The path is not valid UTF-8.") from error
    if "\0" in text:
        raise NOT_FOUND  # nothing is named so: PostgreSQL's text cannot hold it
    return text


def generation_of(path: str) -> Generation:
    """Whose error shape a path gets, routed or not; unknown prefixes get that of v1."""
    return PREFIXES.get(path.split("/", 2)[1] if path.startswith("/") else "", Generation.V1)
