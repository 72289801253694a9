"""The tables. Both stores have the same; what differs between SQLite and PostgreSQL stands in ``legato.store.engine``.

Times are seconds since 1970 UTC (double precision) unless they are part of an event's payload. JSON is text written
by msgspec: nothing is queried inside it.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)


class Json(TypeDecorator[Any]):
    """A JSON value as text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """To text; None is SQL NULL."""
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """From text."""
        return None if value is None else msgspec.json.decode(value)


# SQLite numbers rows by itself only where the key is its own INTEGER.
_SERIAL = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# -- who may use this installation -----------------------------------------------------------------------------------

account = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1: one account per installation
    Column("api_key", String, nullable=False),
    Column("signature_secret", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("old_signature_secret", String),  # signs as well, until …
    Column("old_signature_secret_until", Double),
)

account_secrets = Table(
    "account_secrets",
    metadata,
    Column("id", String, primary_key=True),
    Column("secret", String, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),  # set while a newer secret takes its place
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String, primary_key=True),  # what this installation signs with, by purpose
    Column("value", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
)

applications = Table(
    "applications",
    metadata,
    Column("id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("public_key", Text, nullable=False),  # PEM
    Column("key_version", Integer, nullable=False, default=1),
    Column("capabilities", Json, nullable=False),
    Column("privacy", Json, nullable=False),
    Column("settings", Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Index(None, "created_at", "id"),
)

users = Table(
    "users",
    metadata,
    Column("id", String, primary_key=True),
    Column("application_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("display_name", String),
    Column("image_url", String),
    Column("properties", Json, nullable=False),
    Column("channels", Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
    UniqueConstraint("application_id", "name"),
    Index(None, "application_id", "created_at", "id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("application_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("dialect", String, nullable=False),
    Column("session_version", String, nullable=False),
    Column("properties", Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),  # set while nobody is connected: until when it can be resumed
    Column("node", String),  # where somebody is connected
    Column("answered", BigInteger),  # the commit up to which a client that is away has received everything, if known
    Index(None, "user_id"),
    Index(None, "application_id"),
    Index(None, "expires_at"),
)

devices = Table(
    "devices",
    metadata,
    Column("application_id", String, primary_key=True),
    Column("user_id", String, primary_key=True),
    Column("device_id", String, primary_key=True),
    Column("registration", Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
)

# -- the log and its projections -------------------------------------------------------------------------------------

conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("application_id", String, nullable=False),
    Column("name", String, nullable=False),
    Column("display_name", String),
    Column("image_url", String),
    Column("state", String, nullable=False),
    Column("properties", Json, nullable=False),
    Column("custom_sort_key", String),  # of properties, to order by
    Column("numbers", Json, nullable=False),
    Column("callback", Json),
    Column("timestamp", Json, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),  # when a conversation with a ttl is next looked at
    Column("sequence", BigInteger, nullable=False, default=0),  # the id of the last event
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("last_commit", BigInteger, nullable=False, default=0),
    Column("retained_from", BigInteger, nullable=False, default=1),  # events below are cut; the snapshot stands there
    UniqueConstraint("application_id", "name"),
    Index(None, "application_id", "created_at", "id"),
    Index(None, "expires_at"),
    postgresql_with={"fillfactor": 50},  # `sequence` changes with every event: leave room for HOT updates
)

members = Table(
    "members",
    metadata,
    Column("id", String, primary_key=True),
    Column("conversation_id", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("channel", Json, nullable=False),
    Column("media", Json),
    Column("timestamp", Json, nullable=False),
    Column("initiator", Json, nullable=False),
    Column("invited_by", String),
    Column("inviter", String),
    Column("knocking_id", String),
    Column("reason", Json),
    Column("since", BigInteger, nullable=False),
    Column("until", BigInteger),
    Index(None, "conversation_id", "since"),
    Index(None, "user_id", "state"),
)

events = Table(
    "events",
    metadata,
    Column("conversation_id", String, primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("commit_no", BigInteger, nullable=False),
    Column("type", String, nullable=False),
    Column("sender", String),  # the USR id behind `from`, to blank the snapshot when that user is deleted
    Column("deleted", Boolean, nullable=False, default=False),
    Column("created_at", Double, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # the Event as JSON
    sqlite_with_rowid=False,
)
# What other nodes have committed is read in this order; SQLite has no other nodes.
Index("ix_events_commit_no", events.c.commit_no).ddl_if(dialect="postgresql")

receipts = Table(
    "receipts",
    metadata,
    Column("conversation_id", String, primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),  # the event it is about
    Column("member_id", String, primary_key=True),
    Column("kind", String, primary_key=True),  # the key in `state`: delivered_to, seen_by …
    Column("at", String, nullable=False),  # as the API writes time
    Column("receipt_id", BigInteger, nullable=False),  # the receipt's own id in the log
    sqlite_with_rowid=False,
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("conversation_id", String, primary_key=True),
    Column("sequence", BigInteger, nullable=False),  # the state after this event
    Column("state", LargeBinary, nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1; whoever writes locks this row first
    Column("commit_no", BigInteger, nullable=False),  # of the last event of the last batch
    Column("change_no", BigInteger, nullable=False),  # of the last row of ``changes``
)

counters = Table(
    "counters",
    metadata,
    Column("name", String, primary_key=True),  # `stream:` and the stream
    Column("value", BigInteger, nullable=False),  # the last id of it that was given out
    Column("application_id", String),
    Column("used_at", Double),  # NULL: it stays as long as its application
    Index(None, "application_id"),
    Index(None, "used_at"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("user_id", String, primary_key=True),  # deleted; the log still has to forget who that was
    Column("created_at", Double, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("application_id", String, primary_key=True),
    Column("key", String, primary_key=True),
    Column("fingerprint", String, nullable=False),  # of method, path and body
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Index(None, "created_at"),
    sqlite_with_rowid=False,
)

# -- several nodes ---------------------------------------------------------------------------------------------------

nodes = Table(
    "nodes",
    metadata,
    Column("id", String, primary_key=True),  # of one process, from its start to its end
    Column("name", String, nullable=False),  # for people
    Column("started_at", Double, nullable=False),
    Column("leased_until", Double, nullable=False),  # by the database's clock; after that the node is taken for dead
)

changes = Table(
    "changes",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("payload", LargeBinary, nullable=False),  # a Change as JSON
    Column("created_at", Double, nullable=False),
    Index(None, "created_at"),
)

bus_messages = Table(
    "bus_messages",
    metadata,
    Column("id", String, primary_key=True),  # what one node tells another that is too long for NOTIFY
    Column("payload", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Index(None, "created_at"),
)

# -- files -----------------------------------------------------------------------------------------------------------

media = Table(
    "media",
    metadata,
    Column("id", String, primary_key=True),
    Column("application_id", String, nullable=False),
    Column("group_id", String),  # the representations of one picture share it
    Column("info", Json, nullable=False),
    Column("mime_type", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("times_downloaded", Integer, nullable=False, default=0),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
    Index(None, "application_id", "created_at", "id"),
    Index(None, "group_id"),
)

# -- webhooks --------------------------------------------------------------------------------------------------------

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", String, primary_key=True),  # whose it is: an application's id, or a conversation's with a callback
    Column("application_id", String, nullable=False),
    Column("conversation_id", String),  # set when it hears this conversation only
    Column("url", String, nullable=False),
    Column("method", String, nullable=False),
    Column("mask", Json, nullable=False),  # event types it wants; empty: all
    Column("params", Json),  # copied into what it is sent
    Column("signed", Boolean, nullable=False),
    Column("state", String, nullable=False),  # active, paused or disabled
    Column("why", String),  # it is not active, or what its last failure was
    Column("secret", LargeBinary, nullable=False),  # Standard Webhooks: what its requests are signed with
    Column("old_secret", LargeBinary),  # signs as well until `old_secret_until`
    Column("old_secret_until", Double),
    Column("failures", Integer, nullable=False, default=0),  # rounds without a success
    Column("failing_since", Double),
    Column("succeeded_at", Double),
    Column("due_at", Double, nullable=False, default=0),  # nothing is sent to it before
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double),
    Index(None, "application_id"),
    Index(None, "created_at"),
)

lanes = Table(
    "lanes",
    metadata,
    Column("endpoint_id", String, primary_key=True),
    Column("stream", String, primary_key=True),  # a conversation, a knocker, a leg, an application, a replay
    Column("head", BigInteger, nullable=False),  # the last event of the stream
    Column("cursor", BigInteger, nullable=False),  # the last one that is done with
    Column("attempts", Integer, nullable=False, default=0),  # at the event after the cursor
    Column("failing_since", Double),
    Column("due_at", Double),  # NULL: there is nothing to send
    Column("leased_by", String),
    Column("leased_until", Double, nullable=False, default=0),
    Index(None, "endpoint_id", "due_at"),
    Index(None, "stream"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 50},  # moves with every event, like the head of its conversation
)

stream_events = Table(
    "stream_events",
    metadata,
    Column("stream", String, primary_key=True),  # what has no log: a knocker, a leg, an application, a replay
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("application_id", String, nullable=False),
    Column("webhook_id", String, nullable=False),  # of a replay: the id of what is sent again
    Column("payload", LargeBinary),  # the Event as JSON; NULL where a log has it, which `webhook_id` names
    Column("created_at", Double, nullable=False),
    Index(None, "application_id"),
    sqlite_with_rowid=False,
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("endpoint_id", String, nullable=False),
    Column("webhook_id", String, nullable=False),
    Column("stream", String, nullable=False),
    Column("event_type", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("seconds", Double, nullable=False),  # until the answer, or until it was given up
    Column("status", Integer),  # HTTP; NULL when there was no answer
    Column("error", String),  # why there was none, in a sentence
    Column("answer", LargeBinary),  # its first bytes
    Index(None, "endpoint_id", "id"),
    Index(None, "webhook_id"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", _SERIAL, primary_key=True),
    Column("endpoint_id", String, nullable=False),
    Column("webhook_id", String, nullable=False),
    Column("stream", String, nullable=False),
    Column("event_type", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("reason", String, nullable=False),
    Column("status", Integer),  # of the last answer
    Column("attempts", Integer, nullable=False),
    Column("payload", LargeBinary),  # the Event as JSON; NULL where a log has it, with whatever was deleted since
    Column("replayed_at", Double),
    Index(None, "endpoint_id", "id"),
)
