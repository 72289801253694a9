"""The catalogue for people: the documentation's page of events. ``make reference`` writes it."""

from __future__ import annotations

import msgspec

from legato.events import CATALOGUE, Audience, Creator, EventType, Performer, Storage
from legato.events.tables import table

_HEAD = """# Events

Every event type of the platform, made from the catalogue.

- *Created by* says who may post such an event: a user's token, an application's token, or nobody but the server.
- *Kept* events have a number in their conversation's log; a *signal* passes through and is not kept, so its webhook is
  sent once and never repeated; the *application* alone is told the rest.
- *Heard by* says which sessions are told.

A body may have more keys than its table names: they are kept. Fields in **bold** must be there.
"""
_KEPT = {Storage.LOG: "kept", Storage.SIGNAL: "signal", Storage.APPLICATION: "application"}
_HEARD = {
    Audience.MEMBERS: "members",
    Audience.OTHERS: "the other members",
    Audience.SESSION: "one session",
    Audience.NONE: "nobody",
}
_CREATORS = {Creator.USER: "users", Creator.ADMIN: "applications", Creator.SERVER: "the server"}


def page() -> str:
    """The page, in Markdown."""
    entries = sorted(CATALOGUE, key=lambda entry: entry.name)
    shaped = [entry.body for entry in entries if entry.body is not None]
    bodies, shapes = msgspec.json.schema_components(shaped, ref_template="{name}")
    own = {each["$ref"] for body in bodies for each in body.get("anyOf", [body])}
    parts = [f"### {name}\n\n{table(shape)}\n" for name, shape in sorted(shapes.items()) if name not in own]
    return "\n".join((_HEAD, *map(_section, entries), "## Parts\n", *parts))


def _section(entry: EventType) -> str:
    creators = ", ".join(name for flag, name in _CREATORS.items() if flag in entry.creators)
    facts = [
        f"created by: {creators}",
        f"{_KEPT[entry.storage]}",
        f"heard by: {_HEARD[entry.audience]}",
        f"webhook: {'once' if entry.best_effort else 'yes' if entry.webhook else 'no'}",
        f"body: at most {entry.max_body} bytes",
    ]
    if entry.performer is Performer.CALLS:
        facts.append("needs calls")
    example = msgspec.json.format(msgspec.json.encode(entry.example), indent=2).decode()
    parts = (f"## {entry.name}", entry.summary, " · ".join(facts), *_tables(entry), f"```json\n{example}\n```\n")
    return "\n\n".join(parts)


def _tables(entry: EventType) -> list[str]:
    """The fields of the body, in one table for each kind it can be of."""
    if entry.body is None:
        return []
    (body,), shapes = msgspec.json.schema_components([entry.body], ref_template="{name}")
    tables = (table(shapes[each["$ref"]]) for each in body.get("anyOf", [body]))
    return [each for each in tables if each]


if __name__ == "__main__":
    print(page(), end="")
