"""Whether what a client was sent is what the catalogue declares."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from legato.events import CATALOGUE, Storage
from legato.events.export import Sink, validate_event

from .clients import Packet

# Events about the connection, not about a conversation; the wire documents list them, the catalogue does not.
_CONNECTION = ("session:", "system:error:", "user:error:")


def faults(packets: Iterable[Packet]) -> list[str]:
    """One line for each packet that is not what its type's entry says it is."""
    return [f"{fault}: {msgspec.json.encode(packet.payload).decode()}" for packet in packets for fault in _of(packet)]


def _of(packet: Packet) -> Iterable[str]:
    if packet.type.startswith(_CONNECTION):
        return
    try:
        validate_event({**packet.payload, "type": packet.type}, Sink.SOCKET)
    except ValueError as error:
        yield str(error)
    entry = CATALOGUE.get(packet.type)
    if entry is not None and (entry.storage is Storage.LOG) is (packet.offset is None):
        yield f"{packet.type} must have an offset if and only if it is stored"
