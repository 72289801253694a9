"""Strategies for every body that the catalogue accepts, with keys in it that nobody knows, and for whole events."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from legato.events import CATALOGUE, About, Author, Event, EventType, InvalidInput, JsonObject, Person, Storage

AT = "2026-05-06T10:00:00.000Z"
CONVERSATION = "CON-00000001-1111-4222-8333-444455556666"
APPLICATION = "00000008-1111-4222-8333-444455556666"
MEMBER = "MEM-00000003-1111-4222-8333-444455556666"
OTHER = "MEM-00000004-1111-4222-8333-444455556666"
KNOCKER = "knocker:00000009-1111-4222-8333-444455556666"
USER = "USR-00000006-1111-4222-8333-444455556666"
OWN = "https://legato.example/v3/media/"

_LEAVES = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-9, 9) | st.text(max_size=4)
JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)
# Keys that some reader looks for: where a body does not declare them, a caller may put anything there.
_LOOKED_FOR = st.sampled_from(
    [
        "timestamp",
        "user",
        "channel",
        "media",
        "reason",
        "text",
        "url",
        "name",
        "custom",
        "image",
        "event_id",
        "from",
        "type",
        "sdp",
        "whatsapp",
        "state",
    ]
)
_UNKNOWN = st.dictionaries(_LOOKED_FOR, JSON, max_size=2)


def _of(kind: Any) -> st.SearchStrategy[Any]:
    """Every value of a declared type."""
    match kind:
        case inspect.Metadata():
            return _of(kind.type)
        case inspect.StructType():
            return _struct(kind.cls)
        case inspect.UnionType():
            return st.one_of([_of(each) for each in kind.types])
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.StrType(pattern=None):
            return st.text(min_size=kind.min_length or 0, max_size=max(kind.min_length or 0, 6))
        case inspect.StrType():
            return st.from_regex(kind.pattern, fullmatch=True).filter(lambda text: len(text) <= 45)
        case inspect.IntType():
            return st.integers(-(2**40) if kind.ge is None else kind.ge, 2**40 if kind.le is None else kind.le)
        case inspect.FloatType():
            return st.floats(-9 if kind.ge is None else kind.ge, 9 if kind.le is None else kind.le) | st.just(1)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case inspect.DictType():
            return st.dictionaries(st.text(max_size=3), JSON, max_size=2)
        case inspect.ListType():
            return st.lists(_of(kind.item_type), min_size=kind.min_length or 0, max_size=2)
        case inspect.AnyType():
            return JSON
    raise TypeError(f"no strategy for {kind}")


@cache
def _struct(cls: type[msgspec.Struct]) -> st.SearchStrategy[JsonObject]:
    info = inspect.type_info(cls)
    assert isinstance(info, inspect.StructType)
    required = {field.encode_name: _of(field.type) for field in info.fields if field.required}
    optional = {field.encode_name: _of(field.type) for field in info.fields if not field.required}
    if info.tag_field is not None:
        required[info.tag_field] = st.just(info.tag)
    declared = {*required, *optional}
    unknown = _UNKNOWN.map(lambda found: {key: found[key] for key in found if key not in declared})
    return st.builds(lambda some, known: {**some, **known}, unknown, st.fixed_dictionaries(required, optional=optional))


def _accepts(entry: EventType, body: JsonObject) -> bool:
    try:
        entry.validate(body)
    except InvalidInput:
        return False
    return True


def bodies(entry: EventType) -> st.SearchStrategy[JsonObject]:
    """Every body ``entry`` accepts, as it is stored."""
    if entry.body is None:
        found: st.SearchStrategy[JsonObject] = st.dictionaries(st.text(max_size=4) | _LOOKED_FOR, JSON, max_size=4)
    else:
        found = _of(inspect.type_info(entry.body))
    return found.filter(lambda body: _accepts(entry, body)).map(entry.validate)


def blanked(entry: EventType) -> st.SearchStrategy[JsonObject]:
    """What is left of a deleted event."""
    kept: JsonObject = {"timestamp": {"deleted": AT}}
    if entry.name != "message":
        return st.just(kept)
    kinds = ["text", "image", "audio", "video", "file", "template", "custom", "vcard", "location", "random"]
    return st.sampled_from(kinds).map(lambda kind: {"message_type": kind, **kept})


people = st.builds(
    Person,
    st.just(USER),
    st.sampled_from(["mia", ""]),
    st.none() | st.just("Mia"),
    st.none() | st.just("https://files.example/mia.png"),
    st.none() | st.dictionaries(st.text(max_size=3), JSON, max_size=2),
)
authors = st.none() | st.builds(Author, st.none() | people, st.none() | st.just(OTHER))
abouts = st.none() | st.builds(
    About,
    st.sampled_from(["text", "image", "message", "custom:x", "member:joined"]),
    st.none() | st.sampled_from(["text", "image", "custom"]),
    st.none() | st.just("chat"),
    st.none() | st.sampled_from([OWN + "1", OWN + "image", "https://files.example/a.png"]),
)


def _sender(entry: EventType, is_member: bool) -> st.SearchStrategy[str | None]:
    if entry.storage is Storage.APPLICATION:
        return st.just(KNOCKER if entry.knocker else None)
    return st.just(MEMBER) if is_member else st.none() | st.just(MEMBER)


def events(entry: EventType) -> st.SearchStrategy[Event]:
    """Every event of that type, as the log may hold it or a signal may carry it."""
    kept = entry.storage is Storage.LOG
    is_member = entry.name in ("member:invited", "member:joined", "member:left")
    deletable = entry.acknowledged or entry.body is None
    return st.builds(
        Event,
        type=st.just(entry.name.replace("*", "x")),
        body=bodies(entry) | blanked(entry) if deletable and kept else bodies(entry),
        timestamp=st.just(AT),
        application_id=st.just(APPLICATION),
        conversation_id=st.none() if entry.storage is Storage.APPLICATION else st.just(CONVERSATION),
        id=st.integers(1, 2**31 - 1) if kept else st.none(),
        from_=_sender(entry, is_member),
        to=st.none() | st.just(OTHER),
        user=people if is_member else st.none() if entry.storage is Storage.APPLICATION else st.none() | people,
        author=authors if is_member else st.none(),
        params=st.none() | st.just({"x": 1}),
        session_destination=st.none(),
        about=abouts if entry.effect.is_receipt else st.none(),
        dialect=st.none() | st.just("chat"),
    )


# Types whose bodies come in many shapes, or from callers: they are drawn more often.
_MANIFOLD = ["message", "member:invited", "member:joined", "member:left"]


@cache  # a second for each module that asks
def everything() -> st.SearchStrategy[Event]:
    """An event of any type."""
    by_name = {entry.name: events(entry) for entry in CATALOGUE}
    return st.sampled_from([*sorted(by_name), *_MANIFOLD * 8]).flatmap(by_name.__getitem__)
