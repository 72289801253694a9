"""Devices: where a user could be woken, stored as the client registers them. Nothing is sent to them."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from legato.api.contract import CONVERSATIONAL, OLD, Answer, Generation, Reply, Request, route
from legato.api.services import Services
from legato.events.envelope import JsonObject
from legato.events.refusal import Forbidden, InvalidInput, NotFound
from legato.store.devices import Device, put_device, read_device, remove_device

MAX_DEVICE_ID: Final = 255  # characters; clients use UUIDs and vendor ids of at most 64
MAX_PUSH_TTL: Final = 300  # seconds (Conversation Service OpenAPI, 2022)

Token = Annotated[str, Meta(min_length=1, max_length=4096)]
BundleId = Annotated[str, Meta(min_length=1, max_length=255)]
DeviceType = Literal["android", "ios"]
Environment = Literal["sandbox", "production"]


class DeviceV01(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A registration with the one token of v0.1. ``bundle_id`` is required on iOS."""

    device_token: Token
    device_type: DeviceType
    bundle_id: BundleId | UnsetType = UNSET
    device_push_environment: Environment | UnsetType = UNSET


class PushToken(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A token of the push service, and the app it is for on iOS."""

    token: Token
    bundle_id: BundleId | UnsetType = UNSET


class PushTokens(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One for messages, one for calls."""

    push: PushToken | UnsetType = UNSET
    voip: PushToken | UnsetType = UNSET


class DeviceV02(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A registration with tokens by purpose."""

    device_type: DeviceType
    tokens: PushTokens
    device_push_environment: Environment | UnsetType = UNSET


class DeviceV03(DeviceV02, kw_only=True, omit_defaults=True):
    """The same, and how long a push may wait, in seconds."""

    device_push_ttl: Annotated[int, Meta(ge=0, le=MAX_PUSH_TTL)] | UnsetType = UNSET


class DeviceLink(msgspec.Struct):
    """What the older generations answer."""

    id: str
    href: str


class DeviceView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A registration as it was sent, whichever generation it was sent in."""

    id: str
    device_type: DeviceType
    device_token: str | UnsetType = UNSET
    bundle_id: str | UnsetType = UNSET
    tokens: PushTokens | UnsetType = UNSET
    device_push_environment: Environment | UnsetType = UNSET
    device_push_ttl: int | UnsetType = UNSET


_BODIES: Final = {
    Generation.V0_1: DeviceV01,
    Generation.V0_2: DeviceV02,
    Generation.V0_3: DeviceV03,
    Generation.V1: DeviceV03,
}
_NO_SUCH: Final = "device:error:not-found"


class DeviceRoom:
    """``/devices/{device_id}``: a user's token registers, reads and ends that user's own."""

    def __init__(self, services: Services) -> None:
        self._log = services.log
        self._clock = services.clock

    @route(
        "PUT",
        "/devices/{device_id}",
        "Registers a device of the user.",
        tag="Devices",
        generations=OLD,
        body=_BODIES,
        replies=(Answer(200, DeviceLink),),
        codes=("device:error:invalid", "push:register:error"),
    )
    @route(
        "PUT",
        "/devices/{device_id}",
        "Registers a device of the user.",
        tag="Devices",
        generations=(Generation.V0_3, Generation.V1),
        body=_BODIES,
        replies=(Answer(200, DeviceView), Answer(201, DeviceView, "The device is new.")),
        codes=("device:error:invalid", "push:register:error"),
    )
    async def register_device(self, request: Request[DeviceV01 | DeviceV02, None]) -> Reply[Any]:
        """Whoever registers a device last is woken on it: another user's registration of it ends."""
        user_id, device_id = _key(request)
        body = request.body
        if isinstance(body, DeviceV01):
            if body.device_type == "ios" and body.bundle_id is UNSET:
                raise InvalidInput.of("bundle_id", "is required")
        elif body.tokens.push is UNSET and body.tokens.voip is UNSET:
            raise InvalidInput.of("tokens", "must hold a token")
        registration: JsonObject = msgspec.to_builtins(body)
        device = Device(
            application_id=request.application_id,
            user_id=user_id,
            device_id=device_id,
            registration=registration,
            created_at=self._clock.now(),
        )
        is_new = await self._log.transact(lambda connection: put_device(connection, device))
        if request.generation in OLD:
            return Reply(200, _link(request, device_id))
        return Reply(201 if is_new else 200, _view(device))

    @route(
        "GET",
        "/devices/{device_id}",
        "Reads a device of the user.",
        tag="Devices",
        generations=CONVERSATIONAL,
        replies=(Answer(200, DeviceView),),
        codes=(_NO_SUCH, "device:error:invalid"),
    )
    async def show_device(self, request: Request[None, None]) -> Reply[DeviceView]:
        """The registration as it was sent."""
        user_id, device_id = _key(request)
        device = await self._log.read(
            lambda connection: read_device(connection, request.application_id, user_id, device_id)
        )
        if device is None:
            raise _not_found()
        return Reply(200, _view(device))

    @route(
        "DELETE",
        "/devices/{device_id}",
        "Ends a device's registration.",
        tag="Devices",
        generations=OLD,
        replies=(Answer(200, DeviceLink),),
        codes=(_NO_SUCH, "device:error:invalid"),
    )
    @route(
        "DELETE",
        "/devices/{device_id}",
        "Ends a device's registration.",
        tag="Devices",
        generations=(Generation.V0_3, Generation.V1),
        replies=(Answer(204),),
        codes=(_NO_SUCH, "device:error:invalid"),
    )
    async def forget_device(self, request: Request[None, None]) -> Reply[Any]:
        """The user is not woken there any more."""
        user_id, device_id = _key(request)
        gone = await self._log.transact(
            lambda connection: remove_device(connection, request.application_id, user_id, device_id)
        )
        if not gone:
            raise _not_found()
        return Reply(200, _link(request, device_id)) if request.generation in OLD else Reply(204)


def _key(request: Request[Any, Any]) -> tuple[str, str]:
    """The user, and the id of the device."""
    user = request.principal.user
    if user is None:
        raise Forbidden("A device belongs to a user: use a user's token.")
    device_id = request.params["device_id"]
    if len(device_id) > MAX_DEVICE_ID or not device_id.isprintable():
        raise InvalidInput(f"A device's id has 1 to {MAX_DEVICE_ID} printable characters.", code="device:error:invalid")
    return user.id, device_id


def _link(request: Request[Any, Any], device_id: str) -> DeviceLink:
    return DeviceLink(device_id, request.path.rstrip("/"))


def _view(device: Device) -> DeviceView:
    return msgspec.convert(device.registration | {"id": device.device_id}, DeviceView)


def _not_found() -> NotFound:
    return NotFound(_NO_SUCH, "There is no such device, or you do not have access.")
