"""The REST API for people: the documentation's page, made from the OpenAPI document. ``make reference`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from legato.api.operations import Operation, compact, example, operations
from legato.events import JsonObject
from legato.events.tables import table, words

_HEAD: Final = """# REST

Every request that this server answers, made from its OpenAPI document (`legato spec openapi`, or `/openapi.json` of a
running server).

The first part of a path is the **generation** of the API. `v0.1` is also called `beta`, `v0.2` `beta2`; what clients of
those generations know keeps its form. New code wants `v1`. A trailing slash is tolerated, and CORS headers are on every
answer. Legato speaks the Conversation API that Vonage's SDKs speak. It is not affiliated with Vonage.

**Who may ask.** `Authorization: Bearer` and a token: RS256, signed with the application's key. With `sub` it is that
user's, without it the application's own; `acl.paths` in a user's token must allow the path named under each request.
What is for the account takes its key and secret (Basic).

**Idempotency.** Where a request makes something, the header `Idempotency-Key` (to 255 characters) makes two of them
within 24 hours one. With another body the second is refused (409).

**Refusals** that any request may get are not repeated below:

| status | when |
|---|---|
| 400 | a parameter or a body is not as described |
| 401 | there is no token, or it is not valid |
| 403 | the token does not allow this |
| 413, 415 | the body is too large, or of another kind |
| 429 | the caller makes too many requests, or too much waits: `Retry-After` says how long |
| 500 | a defect of this server; `instance` and `X-Request-Id` find it in its log |
| 503 | the database does not answer |

Their bodies are [FlatError](#flaterror) in v0.1 and v0.2, [Problem](#problem) in v2, else
[CodedProblem](#codedproblem). Fields in **bold** must be there.

In the examples `$TOKEN` is what `legato token alice` prints, or `legato token` for what an application alone may do.
"""
_USUAL: Final = frozenset({"401", "403", "413", "415", "429", "500", "503"})


def page(document: JsonObject) -> str:
    """The page, in Markdown."""
    every = operations(document)
    parts = [_HEAD]
    for tag in (str(each["name"]).capitalize() for each in document["tags"]):
        found = [each for each in every if each.tag == tag and each.available]
        if found:
            parts.append(f"## {tag}\n")
            parts += [_section(group) for group in _grouped(found)]
    parts += ["## Not available\n", _unavailable(every), "## Parts\n"]
    shapes = document["components"]["schemas"]
    return "\n".join((*parts, *(f"### {name}\n\n{_shape(shape)}\n" for name, shape in sorted(shapes.items()))))


def _shape(shape: JsonObject) -> str:
    return table(shape) or str(shape.get("description") or words(shape))


def _grouped(found: Iterable[Operation]) -> Iterator[list[Operation]]:
    groups: dict[str, list[Operation]] = {}
    for each in found:
        groups.setdefault(each.summary, []).append(each)
    yield from groups.values()


def _section(group: list[Operation]) -> str:
    newest = group[-1]
    rows: dict[tuple[str, str, str, str], list[str]] = {}
    for each in group:
        rows.setdefault((each.method, each.rest, _body(each), _answers(each)), []).append(each.generation)
    lines = [
        f"| `{method} {rest}` | {', '.join(dict.fromkeys(generations))} | {body} | {answers} |"
        for (method, rest, body, answers), generations in rows.items()
    ]
    listed = "\n".join(("| request | generation | body | answer |", "|---|---|---|---|", *lines))
    parts = [f"### {newest.summary.removesuffix('.')}", str(newest.said["description"]), listed, *_forms(group)]
    parts += [text for text in (_parameters(group), _refusals(group), _who(newest)) if text]
    return "\n\n".join((*parts, f"```sh\n{example(newest)}\n```\n"))


def _body(each: Operation) -> str:
    content = each.said.get("requestBody", {}).get("content", {})
    kinds = [
        words(described["schema"]) if "$ref" in described.get("schema", {}) else f"`{kind}`"
        for kind, described in content.items()
    ]
    return ", ".join(dict.fromkeys(kinds)) or "–"


def _answers(each: Operation) -> str:
    said = []
    for status, response in each.said["responses"].items():
        if int(status) < 400:
            schemas = [described.get("schema") for described in response.get("content", {}).values()]
            said.append(" ".join((status, *(words(schema) if schema else "the file" for schema in schemas))))
    return ", ".join(said)


def _forms(group: list[Operation]) -> list[str]:
    """Bodies that have no name of their own, such as forms."""
    found: dict[str, None] = {}
    for each in group:
        for described in each.said.get("requestBody", {}).get("content", {}).values():
            if "properties" in described.get("schema", {}):
                found[table(described["schema"])] = None
    return list(found)


def _parameters(group: list[Operation]) -> str:
    known: dict[str, tuple[str, list[str]]] = {}
    for each in group:
        for one in each.said["parameters"]:
            if one["in"] == "query":
                default = one["schema"].get("default")
                value = words(one["schema"]) + ("" if default is None else f"; {compact(default)} without it")
                known.setdefault(f"{one['name']}|{value}", (value, []))[1].append(each.generation)
    if not known:
        return ""
    everywhere = len({each.generation for each in group})
    lines = []
    for key, (value, generations) in known.items():
        where = "" if len(set(generations)) == everywhere else f" ({', '.join(dict.fromkeys(generations))})"
        lines.append(f"| `{key.partition('|')[0]}`{where} | {value} |")
    return "\n".join(("| query | value |", "|---|---|", *lines))


def _refusals(group: list[Operation]) -> str:
    """The statuses that say something of this request, with their codes."""
    found: dict[str, dict[str, None]] = {}
    for each in group:
        for status, response in each.said["responses"].items():
            codes = re.findall(r"`[^`]+`", response["description"])
            if int(status) >= 400 and (codes or status not in _USUAL | {"400"}):
                found.setdefault(status, {}).update(dict.fromkeys(codes))
    said = [f"{status} ({', '.join(codes)})" if codes else status for status, codes in sorted(found.items())]
    return f"Refused with {', '.join(said)}." if said else ""


def _who(each: Operation) -> str:
    schemes = [name for scheme in each.said["security"] for name in scheme] or [""]
    if schemes == ["account"]:
        return "For the account."
    if schemes == [""]:
        return "For everybody."
    whose = "an application's token" if each.said["x-admin-only"] else "a user's or an application's token"
    optional = " or a signed link" if {} in each.said["security"] else ""
    return f"For {whose}{optional}; access path `{each.said['x-acl']}`."


def _unavailable(every: list[Operation]) -> str:
    found: dict[str, list[Operation]] = {}
    for each in every:
        if not each.available:
            found.setdefault(f"`{each.method} {each.rest}`", []).append(each)
    lines = []
    for request, group in found.items():
        generations = ", ".join(dict.fromkeys(each.generation for each in group))
        lines.append(f"| {request} | {generations} | {group[0].summary.partition(': ')[2]} |")
    said = "Declared, because clients know them, and answered with 501."
    return "\n".join((said, "", "| request | generation | why |", "|---|---|---|", *lines, ""))
