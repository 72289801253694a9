"""The catalogue for people: the reference page of the documentation."""

from __future__ import annotations

import msgspec

from legato.events import CATALOGUE, Audience, Creator, EventType, Performer, Storage

_HEAD = """# Events

Every event type of the platform, made from the catalogue by `python -m legato.events.page`: do not edit.

- *Created by* says who may post such an event: a user's token, an application's token, or nobody but the server.
- *Kept* events have a number in their conversation's log; a *signal* passes through and is not kept, so its webhook is
  sent once and never repeated; the *application* alone is told the rest.
- *Heard by* says which sessions are told.
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
    return "\n".join((_HEAD, *(_section(entry) for entry in sorted(CATALOGUE, key=lambda entry: entry.name))))


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
    return f"## {entry.name}\n\n{entry.summary}\n\n{' · '.join(facts)}\n\n```json\n{example}\n```\n"


if __name__ == "__main__":
    print(page(), end="")
