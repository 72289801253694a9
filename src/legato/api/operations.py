"""The requests of an OpenAPI document, one after the other, each with an example."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from legato.events import JsonObject

_UNAVAILABLE: Final = "501"
_SERVER: Final = "http://127.0.0.1:8770"
_PLACES: Final = {
    "conversation_id": "$CONVERSATION",
    "user_id": "alice",
    "member_id": "me",
    "event_id": "1",
    "device_id": "3f2a9c",
    "session_id": "$SESSION",
    "endpoint_id": "$APPLICATION",
    "application_id": "$APPLICATION",
    "media_id": "$FILE",
    "secret_id": "$SECRET",
    "data_centre": "local",
}

# A body for each request that takes JSON, by its summary; a test holds them against the schemas.
EXAMPLES: Final[Mapping[str, JsonObject]] = {
    "Create a conversation": {"display_name": "Second violins"},
    "Change a conversation": {"display_name": "Second violins, Tuesdays"},
    "Post an event": {"type": "message", "body": {"message_type": "text", "text": "Shall we start at nine?"}},
    "Invite a user, or join": {"state": "joined", "user": {"name": "alice"}, "channel": {"type": "app"}},
    "Accept an invitation, or leave": {"state": "left", "reason": {"text": "Good night"}},
    "Create a user": {"name": "alice", "display_name": "Alice"},
    "Change a user": {"display_name": "Alice of the strings"},
    "Registers a device of the user.": {"device_type": "android", "tokens": {"voip": {"token": "fcm-token"}}},
    "Tell how a client's connection went": {},
    "Sends events again.": {"since": "2026-11-25T06:00:00Z"},
    "Rotates an endpoint's signing secret.": {"overlap": 86400},
    "Sends an endpoint an example.": {"type": "text"},
    "Rotates the account's secret.": {"overlap": 3600},
    "Rotates what webhooks are signed with.": {"overlap": 86400},
    "Creates an application.": {
        "name": "my app",
        "capabilities": {"rtc": {"webhooks": {"event_url": {"address": "https://app.example.com/events"}}}},
    },
    "Replaces an application.": {"name": "my app, renamed"},
    "Changes what is said of a file.": {"title": "The score", "public": False},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One request of one generation, as OpenAPI declares it."""

    method: str
    path: str
    said: JsonObject

    @property
    def generation(self) -> str:
        """``v0.3`` and the others."""
        return self.path.split("/")[1]

    @property
    def rest(self) -> str:
        """The path behind the generation."""
        return self.path.removeprefix(f"/{self.generation}")

    @property
    def tag(self) -> str:
        """The room that it belongs to."""
        return str(self.said["tags"][0]).capitalize()

    @property
    def summary(self) -> str:
        """One sentence; one name for the same request in several generations."""
        return str(self.said["summary"])

    @property
    def available(self) -> bool:
        """Whether anything but a refusal can come of it."""
        return _UNAVAILABLE not in self.said["responses"]


def operations(document: JsonObject) -> list[Operation]:
    """All of them, the oldest generation first."""
    return [
        Operation(method.upper(), path, said)
        for path, methods in document["paths"].items()
        for method, said in methods.items()
    ]


def example(each: Operation) -> str:
    """The request with curl."""
    path = re.sub(r"\{(\w+)\}", lambda found: _PLACES[found[1]], each.path)
    method = "" if each.method in ("GET", "POST") else f"--request {each.method} "
    schemes = [name for scheme in each.said["security"] for name in scheme]
    allowed = {"token": '--header "Authorization: Bearer $TOKEN" ', "account": '--user "$KEY:$SECRET" '}
    authorised = allowed[schemes[0]] if schemes else ""
    content = each.said.get("requestBody", {}).get("content", {})
    lines = [f"curl {method}{authorised}{_SERVER}{path}"]
    if "application/json" in content:
        lines.append(f"--json '{compact(EXAMPLES[each.summary])}'")
    elif content:
        (form,) = (described["schema"] for described in content.values())
        lines += [f"--form {name}=@score.png" for name in form["required"]]
    elif each.method == "POST":
        lines[0] = lines[0].replace("curl ", "curl --request POST ", 1)
    return " \\\n  ".join(lines)


def compact(value: Any) -> str:
    """JSON in one line, with spaces where people read."""
    return re.sub(r"\n\s*", " ", msgspec.json.format(msgspec.json.encode(value), indent=1).decode())
