"""Endpoints: where an application, or one of its conversations, wants its events posted."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Row, Update, bindparam, delete, func, insert, select, tuple_, update

from legato.events.envelope import JsonObject
from legato.store.heads import EndpointChanged, announce
from legato.store.schema import endpoints

State = Literal["active", "paused", "disabled"]

SECRET_BYTES: Final = 32  # Standard Webhooks: between 24 and 64
# Between the types of a mask.
_SEPARATORS: Final = re.compile(r"[\s,]+")


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where to post. Times in seconds since 1970.

    ``id`` is whose it is: an application's id (its ``rtc.webhooks.event_url``), or a conversation's (its ``callback``).
    ``mask`` are the types it wants, all when empty. ``failures`` counts rounds of attempts since the last success, and
    nothing is sent before ``due_at``. ``why`` says why it is not active, or what its last failure was.
    """

    id: str
    application_id: str
    url: str
    conversation_id: str | None = None
    method: str = "POST"
    mask: tuple[str, ...] = ()
    params: JsonObject | None = None
    signed: bool = True
    state: State = "active"
    why: str | None = None
    secret: bytes = b""
    old_secret: bytes | None = None
    old_secret_until: float | None = None
    failures: int = 0
    failing_since: float | None = None
    succeeded_at: float | None = None
    due_at: float = 0.0
    created_at: float = 0.0
    updated_at: float | None = None

    @property
    def as_of(self) -> float:
        """When somebody last made or changed it: what is learnt of an earlier one says nothing of this one."""
        return self.created_at if self.updated_at is None else self.updated_at

    def wants(self, type_: str) -> bool:
        """Whether events of this type are sent there: its mask is empty, names it, or names its family (``text*``)."""
        return not self.mask or any(_covers(each, type_) for each in self.mask)

    def secrets_at(self, now: float) -> list[bytes]:
        """What its requests are signed with at ``now``, the newest first."""
        overlaps = self.old_secret is not None and now < (self.old_secret_until or 0)
        return [self.secret, *([self.old_secret] if overlaps and self.old_secret else [])]

    def __repr__(self) -> str:
        return f"Endpoint(id={self.id!r}, state={self.state!r})"


def _covers(wanted: str, type_: str) -> bool:
    return type_ == wanted or (wanted.endswith("*") and type_.startswith(wanted[:-1]))


def set_application_endpoint(
    connection: Connection, application_id: str, capabilities: Mapping[str, Any], now: float
) -> None:
    """Makes, changes or removes the application's endpoint to be what its capabilities say.

    What waits for it goes to the new URL; an endpoint that was disabled is given another chance by a new one.
    """
    rtc = capabilities.get("rtc") or {}
    event_url = (rtc.get("webhooks") or {}).get("event_url") or {}
    signed = rtc.get("signed_callbacks") is not False
    _set(
        connection,
        now,
        id=application_id,
        application_id=application_id,
        conversation_id=None,
        url=event_url.get("address"),
        method=event_url.get("http_method") or "POST",
        mask=(),
        params=None,
        signed=signed,
    )


def set_callback(
    connection: Connection, application_id: str, conversation_id: str, callback: JsonObject | None, now: float
) -> None:
    """Makes, changes or removes the endpoint of a conversation to be what its ``callback`` says."""
    callback = callback or {}
    mask = tuple(filter(None, _SEPARATORS.split(callback.get("event_mask") or "")))
    _set(
        connection,
        now,
        id=conversation_id,
        application_id=application_id,
        conversation_id=conversation_id,
        url=callback.get("url"),
        method=callback.get("method") or "POST",
        mask=mask,
        params=callback.get("params"),
        signed=True,
    )


def _set(connection: Connection, now: float, *, id: str, url: str | None, **fields: Any) -> None:  # noqa: A002
    if url is None:
        remove_endpoint(connection, id)
        return
    announce(connection, EndpointChanged(id))
    before = read_endpoint(connection, id)
    if before is None:
        secret = secrets.token_bytes(SECRET_BYTES)
        row = Endpoint(id=id, url=url, secret=secret, created_at=now, **fields)
        connection.execute(insert(endpoints).values(msgspec.structs.asdict(row)))
        return
    if url != before.url:
        fields |= {"state": "active", "why": None, "failures": 0, "failing_since": None, "due_at": 0.0}
    changed = {"url": url, **fields, "updated_at": now}
    connection.execute(update(endpoints).where(endpoints.c.id == id).values(changed))


def remove_endpoint(connection: Connection, endpoint_id: str) -> None:
    """The endpoint is no more; what waited for it is dropped by ``legato.store.lane_upkeep.remove_orphans``."""
    if connection.execute(delete(endpoints).where(endpoints.c.id == endpoint_id)).rowcount:
        announce(connection, EndpointChanged(endpoint_id))


def read_endpoint(connection: Connection, endpoint_id: str) -> Endpoint | None:
    """The endpoint of that id."""
    row = connection.execute(_READ_ENDPOINT, {"b_id": endpoint_id}).first()
    return None if row is None else _endpoint(row)


def read_endpoints(
    connection: Connection,
    application_id: str | None = None,
    *,
    after: tuple[float, str] | None = None,
    limit: int | None = None,
) -> list[Endpoint]:
    """Every endpoint, or an application's, the oldest first; so many ``after`` when and as what one was made."""
    place = tuple_(endpoints.c.created_at, endpoints.c.id)
    query = select(endpoints).order_by(endpoints.c.created_at, endpoints.c.id).limit(limit)
    if application_id is not None:
        query = query.where(endpoints.c.application_id == application_id)
    if after is not None:
        query = query.where(place > after)
    return [_endpoint(row) for row in connection.execute(query)]


def read_endpoints_of(connection: Connection, endpoint_ids: Collection[str]) -> list[Endpoint]:
    """The endpoints of these ids, as far as they exist."""
    return [_endpoint(row) for row in connection.execute(_READ_ENDPOINTS, {"b_ids": list(endpoint_ids)})]


def new_endpoints(connection: Connection, since: float) -> list[str]:
    """The ids of endpoints made at ``since`` or later."""
    return list(connection.execute(select(endpoints.c.id).where(endpoints.c.created_at >= since)).scalars())


def count_endpoints(connection: Connection) -> dict[str, int]:
    """How many there are of each state, and how many active ones have taken nothing since they failed (``failing``)."""
    failing = endpoints.c.failing_since.is_not(None)
    query = select(endpoints.c.state, failing.label("fails"), func.count().label("many"))
    found = {"active": 0, "failing": 0, "paused": 0, "disabled": 0}
    for row in connection.execute(query.group_by(endpoints.c.state, failing)):
        found["failing" if row.state == "active" and row.fails else row.state] += row.many
    return found


def change_endpoint(connection: Connection, endpoint_id: str, **changes: Any) -> bool:
    """Sets columns of an endpoint; False when there is none."""
    if "updated_at" in changes:  # else it is only how the endpoint fares
        announce(connection, EndpointChanged(endpoint_id))
    statement = update(endpoints).where(endpoints.c.id == endpoint_id).values(changes)
    return connection.execute(statement).rowcount > 0


def change_endpoints(connection: Connection, changes: Mapping[tuple[str, float], Mapping[str, Any]]) -> None:
    """How endpoints fare: sets columns of each, by its id and what it was ``as_of``.

    Those that are no more, or that somebody has changed since, are left out.
    """
    alike: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for (endpoint_id, as_of), columns in changes.items():
        row = {f"b_{name}": value for name, value in columns.items()}
        alike.setdefault(tuple(sorted(columns)), []).append({"b_id": endpoint_id, "b_as_of": as_of, **row})
    for names, rows in alike.items():
        connection.execute(_change(names), rows)


@cache  # by the few ways in which an endpoint can fare
def _change(names: tuple[str, ...]) -> Update:
    changed: dict[str, Any] = {name: bindparam(f"b_{name}") for name in names}
    is_same = func.coalesce(endpoints.c.updated_at, endpoints.c.created_at) == bindparam("b_as_of")
    return update(endpoints).where(endpoints.c.id == bindparam("b_id"), is_same).values(changed)


def rotate_endpoint_secret(connection: Connection, endpoint_id: str, now: float, overlap: float) -> bytes | None:
    """A new signing secret; the one before signs as well for ``overlap`` seconds. None: there is no such endpoint."""
    before = read_endpoint(connection, endpoint_id)
    if before is None:
        return None
    secret = secrets.token_bytes(SECRET_BYTES)
    change_endpoint(
        connection,
        endpoint_id,
        secret=secret,
        old_secret=before.secret,
        old_secret_until=now + overlap,
        updated_at=now,
    )
    return secret


def _endpoint(row: Row[Any]) -> Endpoint:
    fields = dict(row._mapping)
    fields["mask"] = tuple(fields["mask"])
    fields["secret"] = bytes(fields["secret"])
    fields["old_secret"] = None if fields["old_secret"] is None else bytes(fields["old_secret"])
    return Endpoint(**fields)


# Asked for each page that is sent: building it again takes longer than SQLite takes to answer.
_READ_ENDPOINT = select(endpoints).where(endpoints.c.id == bindparam("b_id"))
_READ_ENDPOINTS = select(endpoints).where(endpoints.c.id.in_(bindparam("b_ids", expanding=True)))
