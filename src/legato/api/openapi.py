"""OpenAPI 3.1, generated: routes from their declarations, schemas from the types that decode and encode.

One operation for each route in each generation. Nothing here is said twice: a route that is not declared does not
exist, and a type that is documented is the one that is used.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from legato.api.bodies import NewEvent
from legato.api.contract import Answer, Auth, Generation, Raw, Route, answer_of, routes_of
from legato.api.openapi_refusals import refusals_of, shape_of
from legato.api.render import RENDERERS
from legato.events import CATALOGUE, Creator, JsonObject, Performer

VERSION: Final = "3.1.0"
COMPONENTS: Final = "#/components/schemas/"
EXAMPLES: Final = "#/components/examples/"

_INTRODUCTION: Final = """\
Conversations, their members and events, and what belongs to them.

Paths are written once, under the name each generation has now; `beta` answers as `v0.1` and `beta2` as `v0.2`. A
trailing slash is tolerated. CORS headers are on every answer.

Legato speaks the Conversation API that Vonage's SDKs speak. It is not affiliated with Vonage.
"""

_SECURITY: Final[Mapping[Auth, list[JsonObject]]] = {
    Auth.BEARER: [{"token": []}],
    Auth.OPTIONAL: [{"token": []}, {}],
    Auth.BASIC: [{"account": []}],
    Auth.NONE: [],
}
_MEMBER: Final = "MEM-00000000-0000-4000-8000-000000000000"
_SCHEMES: Final[JsonObject] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "RS256, signed with the application's key. With `sub` it is that user's, without it the"
        " application's own.",
    },
    "account": {"type": "http", "scheme": "basic", "description": "The installation's API key and secret."},
}


# What a caller may post to a conversation, one example of each type: the body's schema is the catalogue's.
_EVENTS: Final[JsonObject] = {
    entry.name.removesuffix(":*").replace(":", "."): {
        "summary": entry.summary,
        "value": {"type": entry.name.replace("*", "example"), "from": _MEMBER, "body": entry.example},
    }
    for entry in CATALOGUE
    if entry.creators & (Creator.USER | Creator.ADMIN) and entry.performer is Performer.CHAT
}


def openapi(rooms: Iterable[type | object], *, version: str, server_url: str | None = None) -> JsonObject:
    """The document for the routes that ``rooms`` (classes of handlers, or instances) declare.

    ``server_url`` is the public URL, without a trailing slash; without it, links are relative to the document.
    """
    declared = [(route, room, name) for room in rooms for route, name in routes_of(room)]
    schemas = _Schemas()
    for route, _room, _name in declared:
        schemas.collect(route)
    schemas.close()
    paths: JsonObject = {}
    names: set[str] = set()
    for route, room, name in declared:
        handler = getattr(room, name)
        for generation in route.generations:
            operation = _operation(route, generation, inspect.getdoc(handler) or "", schemas, names)
            path = paths.setdefault(f"/{generation.value}{route.path}", {})
            path[route.method.lower()] = operation
    return {
        "openapi": VERSION,
        "info": {
            "title": "Legato",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server_url or "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route, _room, _name in declared)],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": schemas.used_by(paths), "examples": _EVENTS, "securitySchemes": _SCHEMES},
    }


def answers_of(route: Route, generation: Generation) -> list[Answer]:
    """What the route answers when it succeeds."""
    rendered = [answer_of(type(RENDERERS[generation]), route.answer)] if route.answer is not None else []
    return rendered + list(route.replies)


class _Schemas:
    """The types of all routes, described together so that one name means one type."""

    def __init__(self) -> None:
        self.components: JsonObject = {}
        self._types: dict[Any, None] = {}
        self._schemas: dict[Any, JsonObject] = {}

    def collect(self, route: Route) -> None:
        """Notes the types that the route reads and writes."""
        found: list[Any] = [route.query]
        for generation in route.generations:
            found += [route.body_type(generation), shape_of(generation)]
            found += [answer.body for answer in answers_of(route, generation)]
        self._types.update(dict.fromkeys(t for t in found if t is not None and t is not Raw and t is not bytes))

    def close(self) -> None:
        """Describes them."""
        types = list(self._types)
        described, components = msgspec.json.schema_components(types, ref_template=COMPONENTS + "{name}")
        self._schemas = dict(zip(types, map(_tidy, described), strict=True))
        self.components = {_short(name): _tidy(schema) for name, schema in sorted(components.items())}

    def __getitem__(self, kind: Any) -> JsonObject:
        return self._schemas[kind]

    def used_by(self, value: Any) -> JsonObject:
        """The components that ``value`` refers to, and those refer to: queries and forms are written out in place."""
        used: set[str] = set()
        waiting = [value]
        while waiting:
            new = _references(waiting.pop()) - used
            used |= new
            waiting += [self.components[name] for name in new]
        return {name: schema for name, schema in self.components.items() if name in used}

    def resolved(self, kind: Any) -> JsonObject:
        """The schema itself where it is a reference."""
        schema = self._schemas[kind]
        reference = schema.get("$ref")
        return self.components[reference.removeprefix(COMPONENTS)] if reference else schema


def _references(value: Any) -> set[str]:
    """The names of the components that a value refers to."""
    if isinstance(value, dict):
        reference = str(value.get("$ref", ""))
        own = {reference.removeprefix(COMPONENTS)} if reference.startswith(COMPONENTS) else set()
        return own.union(*map(_references, value.values()))
    return set().union(*map(_references, value)) if isinstance(value, list) else set()


def _tidy(schema: Any) -> Any:
    """Descriptions without the indentation of the source, and no empty ``required``."""
    if isinstance(schema, dict):
        tidy = {key: _tidy(value) for key, value in schema.items() if not (key == "required" and value == [])}
        if isinstance(tidy.get("description"), str):
            tidy["description"] = _plain(tidy["description"])
        if isinstance(tidy.get("$ref"), str):
            tidy["$ref"] = COMPONENTS + _short(tidy["$ref"].removeprefix(COMPONENTS))
        return tidy
    return [_tidy(item) for item in schema] if isinstance(schema, list) else schema


def _short(name: str) -> str:
    """Types of one name are told apart by their module, of which its last part says enough."""
    return ".".join(name.split(".")[-2:])


def _plain(docstring: str) -> str:
    """A docstring as CommonMark."""
    return re.sub(r"``([^`]+)``", r"`\1`", inspect.cleandoc(docstring))


def _operation(route: Route, generation: Generation, doc: str, schemas: _Schemas, names: set[str]) -> JsonObject:
    operation: JsonObject = {
        "operationId": _unique(f"{generation.value.replace('.', '_')}_{route.name}", names),
        "summary": route.summary,
        "description": _plain(doc),
        "tags": [route.tag],
        "security": _SECURITY[route.auth],
        "parameters": _parameters(route, schemas),
        "responses": _responses(route, generation, schemas),
    }
    body = route.body_type(generation)
    if body is not None:
        operation["requestBody"] = _request_body(route, body, schemas)
    if route.auth in (Auth.BEARER, Auth.OPTIONAL):
        operation["x-acl"] = route.acl
        operation["x-admin-only"] = route.admin_only
    return operation


def _unique(name: str, names: set[str]) -> str:
    found, number = name, 1
    while found in names:
        number += 1
        found = f"{name}_{number}"
    names.add(found)
    return found


def _parameters(route: Route, schemas: _Schemas) -> list[JsonObject]:
    parameters: list[JsonObject] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    if route.query is not None:
        schema = schemas.resolved(route.query)
        parameters += [
            {"name": name, "in": "query", "required": name in schema.get("required", ()), "schema": _nonnull(field)}
            for name, field in schema["properties"].items()
        ]
    if route.creates:
        about = "Two requests with one key within 24 hours are one; with another body the second is refused (409)."
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": about,
                "schema": {"type": "string", "minLength": 1, "maxLength": 255},
            }
        )
    return parameters


def _nonnull(field: JsonObject) -> JsonObject:
    """A query has no null: what may be null in the type may be absent from the query."""
    choices = field.get("anyOf")
    if choices is None:
        return field
    rest = {key: value for key, value in field.items() if key != "anyOf" and not (key == "default" and value is None)}
    kept = [choice for choice in choices if choice != {"type": "null"}]
    return rest | (kept[0] if len(kept) == 1 else {"anyOf": kept})


def _request_body(route: Route, body: Any, schemas: _Schemas) -> JsonObject:
    if body is Raw:
        return {"content": {kind: {} for kind in route.accepts}}
    content: JsonObject = {}
    for kind in route.accepts:
        is_form = kind == "multipart/form-data"
        content[kind] = {"schema": _form(schemas.resolved(body)) if is_form else schemas[body]}
        if body is NewEvent:
            content[kind]["examples"] = {name: {"$ref": EXAMPLES + name} for name in _EVENTS}
    return {"content": content, "required": bool(schemas.resolved(body).get("required"))}


def _form(schema: JsonObject) -> JsonObject:
    """The fields of a form; what is bytes is a file (OpenAPI 3.1.0 4.8.14.3)."""
    fields = {
        name: {"type": "string", "format": "binary"} if field.get("contentEncoding") == "base64" else field
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": fields}


def _responses(route: Route, generation: Generation, schemas: _Schemas) -> JsonObject:
    responses: JsonObject = {}
    for answer in answers_of(route, generation):
        response: JsonObject = {"description": answer.summary or _SUCCESS.get(answer.status, "Done.")}
        if answer.body is bytes:
            response["content"] = {"*/*": {}}  # a file is sent as what it is
        elif answer.body is not None:
            response["content"] = {answer.media_type: {"schema": schemas[answer.body]}}
        responses[str(answer.status)] = response
    for refusal in refusals_of(route):
        responses.setdefault(str(refusal.status), refusal.response(schemas[shape_of(generation)]))
    return dict(sorted(responses.items()))


_SUCCESS: Final[Mapping[int, str]] = {
    200: "Done.",
    201: "Made.",
    204: "Done; there is nothing to say.",
    206: "The part that was asked for.",
    304: "The caller has it already.",
}
