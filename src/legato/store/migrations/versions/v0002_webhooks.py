"""Webhooks: endpoints, lanes, what was sent and what was given up"""

import json
import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Forward. Applications that have an event URL already have an endpoint from now on."""
    serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "endpoints",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=True),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("mask", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=True),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=True),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until", sa.Double(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.Double(), nullable=True),
        sa.Column("succeeded_at", sa.Double(), nullable=True),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoints")),
    )
    op.create_index(op.f("ix_endpoints_application_id"), "endpoints", ["application_id"])
    op.create_index(op.f("ix_endpoints_created_at"), "endpoints", ["created_at"])
    op.create_table(
        "lanes",
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("head", sa.BigInteger(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.Double(), nullable=True),
        sa.Column("due_at", sa.Double(), nullable=True),
        sa.Column("leased_by", sa.String(), nullable=True),
        sa.Column("leased_until", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("endpoint_id", "stream", name=op.f("pk_lanes")),
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(op.f("ix_lanes_endpoint_id_due_at"), "lanes", ["endpoint_id", "due_at"])
    op.create_index(op.f("ix_lanes_stream"), "lanes", ["stream"])
    op.create_table(
        "stream_events",
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("application_id", sa.String(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("stream", "id", name=op.f("pk_stream_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_stream_events_application_id"), "stream_events", ["application_id"])
    op.create_table(
        "attempts",
        sa.Column("id", serial, nullable=False),
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_endpoint_id_id"), "attempts", ["endpoint_id", "id"])
    op.create_index(op.f("ix_attempts_webhook_id"), "attempts", ["webhook_id"])
    op.create_table(
        "dead_letters",
        sa.Column("id", serial, nullable=False),
        sa.Column("endpoint_id", sa.String(), nullable=False),
        sa.Column("webhook_id", sa.String(), nullable=False),
        sa.Column("stream", sa.String(), nullable=False),
        sa.Column("event_type", sa.String(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("replayed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
    )
    op.create_index(op.f("ix_dead_letters_endpoint_id_id"), "dead_letters", ["endpoint_id", "id"])
    _make_endpoints()


def _make_endpoints() -> None:
    connection = op.get_bind()
    now = time.time()
    owners = [
        (row.id, row.id, None, (json.loads(row.capabilities).get("rtc") or {}))
        for row in connection.execute(sa.text("SELECT id, capabilities FROM applications"))
    ]
    for application_id, owner, conversation_id, rtc in owners:
        event_url = (rtc.get("webhooks") or {}).get("event_url") or {}
        if event_url.get("address"):
            _insert(
                application_id,
                owner,
                conversation_id,
                url=event_url["address"],
                method=event_url.get("http_method") or "POST",
                mask="",
                params=None,
                signed=rtc.get("signed_callbacks") is not False,
                now=now,
            )
    callbacks = sa.text("SELECT id, application_id, callback FROM conversations WHERE callback IS NOT NULL")
    for row in connection.execute(callbacks).all():
        callback = json.loads(row.callback) or {}
        if callback.get("url"):
            _insert(
                row.application_id,
                row.id,
                row.id,
                url=callback["url"],
                method=callback.get("method") or "POST",
                mask=callback.get("event_mask") or "",
                params=callback.get("params"),
                signed=True,
                now=now,
            )


def _insert(
    application_id: str,
    owner: str,
    conversation_id: str | None,
    *,
    url: str,
    method: str,
    mask: str,
    params: object,
    signed: bool,
    now: float,
) -> None:
    endpoints = sa.table(
        "endpoints",
        *(
            sa.column(name)
            for name in (
                "id",
                "application_id",
                "conversation_id",
                "url",
                "method",
                "mask",
                "params",
                "signed",
                "state",
                "failures",
                "due_at",
                "created_at",
            )
        ),
        sa.column("secret", sa.LargeBinary),
    )
    op.execute(
        endpoints.insert().values(
            id=owner,
            application_id=application_id,
            conversation_id=conversation_id,
            url=url,
            method=method,
            mask=json.dumps(mask.replace(",", " ").split()),
            params=None if params is None else json.dumps(params),
            signed=signed,
            state="active",
            secret=secrets.token_bytes(32),
            failures=0,
            due_at=0.0,
            created_at=now,
        )
    )
