"""Devices: where a user could be woken. They are kept as they were registered; this server sends nothing to them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from legato.events.envelope import JsonObject
from legato.events.refusal import Conflict
from legato.store.schema import devices

# A person has a handful of phones; a client that makes up a new id at every start must not fill the store.
MAX_DEVICES = 32


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A registration, by the id that the client gave its device. Times in seconds since 1970."""

    application_id: str
    user_id: str
    device_id: str
    registration: JsonObject
    created_at: float
    updated_at: float | None = None


def put_device(connection: Connection, device: Device) -> bool:
    """Registers the device or replaces its registration; whether it is new to that user.

    Another user's registration of the same device ends: whoever logs in last is woken. Raises Conflict
    (``push:register:error``) when the user has MAX_DEVICES already.
    """
    same = (devices.c.application_id == device.application_id) & (devices.c.device_id == device.device_id)
    mine = devices.c.user_id == device.user_id
    connection.execute(delete(devices).where(same, ~mine))
    changed = update(devices).where(same, mine)
    if connection.execute(changed.values(registration=device.registration, updated_at=device.created_at)).rowcount:
        return False
    if _count(connection, device) >= MAX_DEVICES:
        raise Conflict("push:register:error", f"A user has at most {MAX_DEVICES} devices.")
    connection.execute(insert(devices).values(msgspec.structs.asdict(device)))
    return True


def read_device(connection: Connection, application_id: str, user_id: str, device_id: str) -> Device | None:
    """The user's registration of that device."""
    row = connection.execute(select(devices).where(*_key(application_id, user_id, device_id))).one_or_none()
    return None if row is None else _device(row)


def devices_of_users(connection: Connection, user_ids: Collection[str]) -> dict[str, list[Device]]:
    """The devices of each of some users who have any."""
    found: dict[str, list[Device]] = {}
    chosen = select(devices).where(devices.c.user_id.in_(user_ids))
    for row in connection.execute(chosen.order_by(devices.c.created_at, devices.c.device_id)):
        found.setdefault(row.user_id, []).append(_device(row))
    return found


def remove_device(connection: Connection, application_id: str, user_id: str, device_id: str) -> bool:
    """Ends the registration; whether there was one."""
    return connection.execute(delete(devices).where(*_key(application_id, user_id, device_id))).rowcount > 0


def _key(application_id: str, user_id: str, device_id: str) -> tuple[Any, ...]:
    return (
        devices.c.application_id == application_id,
        devices.c.user_id == user_id,
        devices.c.device_id == device_id,
    )


def _count(connection: Connection, device: Device) -> int:
    chosen = (devices.c.application_id == device.application_id) & (devices.c.user_id == device.user_id)
    return connection.execute(select(func.count()).select_from(devices).where(chosen)).scalar_one()


def _device(row: Row[Any]) -> Device:
    return msgspec.convert(row, Device, from_attributes=True)
