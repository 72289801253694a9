"""JSON Schema for people: the fields of an object as a table in Markdown."""

from __future__ import annotations

from typing import Final

from legato.events.envelope import JsonObject

_BOUNDS: Final = {
    "minLength": "length from {}",
    "maxLength": "length to {}",
    "minimum": "from {}",
    "maximum": "to {}",
    "pattern": "matches `{}`",
}
# What every text is held to: no NUL, which PostgreSQL cannot keep. It says nothing to a reader.
_UNSAID: Final = r"^[^\x00]*$"


def table(shape: JsonObject) -> str:
    """What an object is, and its fields; those that must be there are bold. Empty for one without fields."""
    required = shape.get("required", ())
    rows = [
        f"| {f'**{name}**' if name in required else name} | {words(field)} |"
        for name, field in shape.get("properties", {}).items()
    ]
    # Docstrings write code between two backticks, Markdown between one.
    said = shape.get("description", "").replace("``", "`")
    return "\n".join((said, "", "| field | value |", "|---|---|", *rows)) if rows else ""


def words(field: JsonObject) -> str:
    """The type of a field and its bounds, fit for a table's cell. What is described elsewhere is a link to there."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(words(each) for each in field["anyOf"]))
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if field.get("type") == "array":
        return f"list of {words(field['items'])}"
    said = {key: value for key, value in field.items() if (key, value) != ("pattern", _UNSAID)}
    bounds = [text.format(str(said[key]).replace("|", "\\|")) for key, text in _BOUNDS.items() if key in said]
    kind = str(field.get("type", "anything"))
    return f"{kind} ({', '.join(bounds)})" if bounds else kind


def anchor(heading: str) -> str:
    """Where a heading of one word is found on its page."""
    return heading.lower().replace(".", "")
