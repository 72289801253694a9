"""Whether what a client was sent is what the catalogue declares."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from legato.events import CATALOGUE, InvalidInput, Storage, parse_iso

from .clients import Packet

# Events about the connection, not about a conversation; the wire documents list them, the catalogue does not.
_CONNECTION = ("session:", "system:error:", "user:error:")


def faults(packets: Iterable[Packet]) -> list[str]:
    """One line for each packet that is not what its type's entry says it is."""
    return [f"{fault} {msgspec.json.encode(packet.payload).decode()}" for packet in packets for fault in _of(packet)]


def _of(packet: Packet) -> Iterable[str]:
    if packet.type.startswith(_CONNECTION):
        return
    entry = CATALOGUE.get(packet.type)
    if entry is None:
        yield f"{packet.type} is not in the catalogue:"
        return
    payload = packet.payload
    body = payload.get("body")
    deleted = isinstance(body, dict) and "deleted" in body.get("timestamp", {})
    if not deleted:
        try:
            entry.validate(body)
        except InvalidInput as refusal:
            yield f"{packet.type} has a body that its schema refuses, {refusal.invalid}:"
    if entry.storage is Storage.LOG:
        if not isinstance(payload.get("id"), int):
            yield f"{packet.type} is stored and has no number:"
        if packet.offset is None:
            yield f"{packet.type} is stored and has no offset:"
    elif "id" in payload:
        yield f"{packet.type} is a signal and has an id:"
    if not str(payload.get("cid", "")).startswith("CON-"):
        yield f"{packet.type} names no conversation:"
    try:
        parse_iso(payload["timestamp"])
    except (KeyError, ValueError):
        yield f"{packet.type} has no time:"
