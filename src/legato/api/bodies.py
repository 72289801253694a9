"""What callers send, by noun and generation. Types are strict; keys nobody knows are only refused where said so.

v0.3 and v1 refuse unknown keys in conversations; everywhere else clients send more than is documented.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from legato.api.decode import NO_NUL, URI, invalid
from legato.auth.capabilities import Address
from legato.conversations import ConversationState
from legato.conversations.bounds import MAX_CONVERSATION_DATA, MAX_CONVERSATION_NAME, MAX_USER_DATA, bounded
from legato.conversations.user import MAX_DISPLAY_NAME, MAX_NAME
from legato.events.envelope import JsonObject
from legato.events.ids import is_id
from legato.events.refusal import InvalidInput

MAX_IMAGE_URL: Final = 2_048
# A member's channel and media are part of every event about it.
MAX_MEMBER_DATA: Final = 4_096
MAX_PARAMS: Final = 4_096

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME, pattern=NO_NUL)]
ConversationName = Annotated[str, Meta(min_length=1, max_length=MAX_CONVERSATION_NAME, pattern=NO_NUL)]
DisplayName = Annotated[str, Meta(min_length=1, max_length=MAX_DISPLAY_NAME, pattern=NO_NUL)]
ImageUrl = Annotated[str, Meta(max_length=MAX_IMAGE_URL, pattern=URI)]
SessionId = Annotated[str, Meta(max_length=64)]
# What names something that is there already: longer than any id or name, shorter than would be worth sending.
Named = Annotated[str, Meta(max_length=MAX_NAME, pattern=NO_NUL)]


class UserChanges(msgspec.Struct, frozen=True, kw_only=True):
    """A user to be made, or what to change of one: absent keys stay, null clears, ``properties`` are merged."""

    name: Name | UnsetType = UNSET
    display_name: DisplayName | UnsetType | None = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    properties: JsonObject | UnsetType | None = UNSET
    channels: JsonObject | UnsetType | None = UNSET


class ConversationFields(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation to be made, or what to change of one, in the old generations."""

    name: ConversationName | UnsetType = UNSET
    display_name: DisplayName | UnsetType | None = UNSET
    image_url: ImageUrl | UnsetType | None = UNSET
    properties: JsonObject | UnsetType | None = UNSET
    numbers: list[JsonObject] | JsonObject | UnsetType | None = UNSET
    callback: JsonObject | UnsetType | None = UNSET
    state: Literal["ACTIVE", "INACTIVE"] | UnsetType = UNSET
    context: str | None = None
    originating_session: SessionId | None = None


class StrictConversationFields(ConversationFields, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same in v0.3 and v1, where an unknown key is refused."""


class Properties(msgspec.Struct, frozen=True):
    """The known properties of a conversation; ``ttl`` in seconds."""

    ttl: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    type: Annotated[str, Meta(max_length=200)] | None = None
    custom_sort_key: Annotated[str, Meta(max_length=200, pattern=NO_NUL)] | None = None
    custom_data: JsonObject | None = None


class UserProperties(msgspec.Struct, frozen=True):
    """The known properties of a user; ``ttl`` in seconds."""

    custom_data: JsonObject | None = None
    ttl: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


class Callback(msgspec.Struct, frozen=True):
    """A webhook of one conversation."""

    url: Address
    event_mask: Annotated[str, Meta(max_length=200)] | None = None
    params: JsonObject | None = None
    method: Literal["POST", "GET"] | None = None


class UserReference(msgspec.Struct, frozen=True):
    """A user by id or by name."""

    id: Named | None = None
    name: Named | None = None


class AudioSettings(msgspec.Struct, frozen=True):
    """How a member's audio begins."""

    enabled: bool | None = None
    muted: bool | None = None
    earmuffed: bool | None = None


class Media(msgspec.Struct, frozen=True):
    """The audio a member is to have."""

    audio_settings: AudioSettings | None = None
    audio: bool | None = None


class Channel(msgspec.Struct, frozen=True):
    """What a member is reached by, as far as this server looks at it; the rest is kept as it came."""

    type: Annotated[str, Meta(max_length=50)]
    id: Named | None = None
    from_: JsonObject | None = field(name="from", default=None)
    to: JsonObject | None = None
    knocking_id: Named | None = None


class Invitation(msgspec.Struct, frozen=True):
    """What either spelling of POST members asks for."""

    user: UserReference
    joins: bool
    channel: JsonObject
    media: JsonObject | None
    knocking_id: str | None
    inviting: str | None
    accepts: str | None
    session_id: str | None


class NewMember(msgspec.Struct, frozen=True, kw_only=True):
    """POST members in v0.3 and v1."""

    user: UserReference
    state: Literal["invited", "joined", "INVITED", "JOINED"]
    channel: JsonObject
    media: JsonObject | None = None
    knocking_id: Named | None = None
    member_id_inviting: Named | None = None
    from_: Named | None = field(name="from", default=None)
    originating_session: SessionId | None = None

    def invitation(self) -> Invitation:
        """The request, whatever its spelling."""
        return Invitation(
            self.user,
            self.state.lower() == "joined",
            checked_channel(self.channel),
            checked_media(self.media),
            self.knocking_id,
            self.member_id_inviting or self.from_,
            None,
            self.originating_session,
        )


class OldNewMember(msgspec.Struct, frozen=True, kw_only=True):
    """POST members in v0.1 and v0.2."""

    action: Literal["invite", "join"]
    channel: JsonObject
    user_id: Named | None = None
    user_name: Named | None = None
    member_id: Named | None = None
    media: JsonObject | None = None
    knocking_id: Named | None = None
    member_id_inviting: Named | None = None
    from_: Named | None = field(name="from", default=None)
    originating_session: SessionId | None = None

    def invitation(self) -> Invitation:
        """The request, whatever its spelling."""
        return Invitation(
            UserReference(self.user_id, self.user_name),
            self.action == "join",
            checked_channel(self.channel),
            checked_media(self.media),
            self.knocking_id,
            self.member_id_inviting or self.from_,
            self.member_id,
            self.originating_session,
        )


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why somebody left."""

    code: Annotated[str, Meta(max_length=200)] | None = None
    text: Annotated[str, Meta(max_length=500)] | None = None


class MemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """PATCH and PUT of a member in v0.3 and v1."""

    state: Literal["left", "joined", "LEFT", "JOINED"]
    from_: Named | None = field(name="from", default=None)
    reason: Reason | None = None
    channel: JsonObject | None = None
    media: JsonObject | None = None
    originating_session: SessionId | None = None

    @property
    def joins(self) -> bool:
        """Whether the invitation is accepted; the member leaves otherwise."""
        return self.state.lower() == "joined"


class OldMemberChange(msgspec.Struct, frozen=True, kw_only=True):
    """PUT of a member in v0.1 and v0.2."""

    action: Literal["join"]
    channel: JsonObject
    from_: Named | None = field(name="from", default=None)
    reason: Reason | None = None
    media: JsonObject | None = None
    originating_session: SessionId | None = None

    @property
    def joins(self) -> bool:
        """An old member can only be changed by accepting."""
        return True


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """POST events; what ``body`` must be depends on ``type`` and stands in the catalogue."""

    type: str
    body: Any = field(default_factory=dict)
    from_: Named | None = field(name="from", default=None)
    to: Named | None = None
    params: JsonObject | None = None
    originating_session: SessionId | None = None


def changed_user(body: UserChanges) -> JsonObject:
    """The columns of a user that the body sets. Raises InvalidInput."""
    changes = given(body, "name", "display_name", "image_url")
    if body.properties is not UNSET:
        changes["properties"] = _checked(body.properties, UserProperties, "properties")
        bounded(changes["properties"], MAX_USER_DATA)
    if body.channels is not UNSET:
        changes["channels"] = body.channels or {}
        bounded(changes["channels"], MAX_CONVERSATION_DATA)
    return changes


def changed_conversation(body: ConversationFields) -> JsonObject:
    """The fields of a conversation that the body sets; null clears. Raises InvalidInput."""
    changes = given(body, "name", "display_name", "image_url")
    if body.name is not UNSET and is_id(body.name, "CON"):
        # Nobody would find the conversation by that name: a path that looks like an id is taken for one.
        raise InvalidInput.of("name", "must not be the id of a conversation")
    if body.state is not UNSET:
        changes["state"] = ConversationState(body.state)
    if body.properties is not UNSET:
        changes["properties"] = _checked(body.properties, Properties, "properties")
        bounded(changes["properties"], MAX_CONVERSATION_DATA)
    if body.numbers is not UNSET:
        numbers = body.numbers or []
        changes["numbers"] = numbers if isinstance(numbers, list) else [numbers]
        bounded(changes["numbers"], MAX_CONVERSATION_DATA)
    if body.callback is not UNSET:
        changes["callback"] = _checked(body.callback, Callback, "callback")
    return changes


def checked_channel(channel: JsonObject) -> JsonObject:
    """The channel, if it is one. Raises InvalidInput."""
    bounded(channel, MAX_MEMBER_DATA)
    _checked(channel, Channel, "channel")
    return channel


def checked_media(media: JsonObject | None) -> JsonObject | None:
    """The media, if it is such. Raises InvalidInput."""
    bounded(media, MAX_MEMBER_DATA)
    return _checked(media, Media, "media")


def given(body: msgspec.Struct, *names: str) -> JsonObject:
    """The named fields that are in the body."""
    return {name: value for name in names if (value := getattr(body, name)) is not UNSET}


def _checked(value: JsonObject | None, kind: type, name: str) -> JsonObject | None:
    if value is None:
        return None
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise invalid(error, below=name) from error
    return value
