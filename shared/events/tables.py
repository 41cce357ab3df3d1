"""The plumbing's own tables, which every service's database has, and the SQL that makes them."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

NOW = text("now()")
TIME = DateTime(timezone=True)
OCCURRED_AT = "domain time; created_at is the database's"
STATUS = "0 pending, 1 done, 2 parked, 3 skipped"
# Both tables see every row change state soon after its birth; the default vacuum thresholds would let them bloat.
_VACUUM = {"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "2000"}


def attach_plumbing(metadata: MetaData) -> None:
    """Put outbox, inbox, idempotency keys and rate limits on a service's metadata, as PLUMBING_V1 creates them."""
    _outbox(metadata)
    _inbox(metadata)
    _idempotency_keys(metadata)
    Table(
        "rate_limits",
        metadata,
        Column("key", Text, primary_key=True),
        Column("tat", TIME, nullable=False),
        prefixes=["UNLOGGED"],
        postgresql_with={"fillfactor": "70"},
    )


def _outbox(metadata: MetaData) -> None:
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Uuid, nullable=False),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("sequence", BigInteger, nullable=False),
        Column("envelope", JSONB, nullable=False),
        Column("occurred_at", TIME, nullable=False, server_default=NOW, comment=OCCURRED_AT),
        Column("created_at", TIME, nullable=False, server_default=NOW),
        Column("published_at", TIME),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("next_attempt_at", TIME, nullable=False, server_default=NOW),
        Column("last_error", Text),
        Column("parked_at", TIME),
        UniqueConstraint("event_id", name="outbox_event_id_key"),
        UniqueConstraint("subject", "sequence", "type", name="outbox_subject_sequence_type_key"),
        Index("outbox_pending", "id", postgresql_where=text("published_at IS NULL AND parked_at IS NULL")),
        Index("outbox_replay", "type", "occurred_at", postgresql_where=text("published_at IS NOT NULL")),
        postgresql_with={"fillfactor": "80", **_VACUUM},
    )


def _inbox(metadata: MetaData) -> None:
    Table(
        "inbox",
        metadata,
        Column("seq", BigInteger, Identity(always=True), nullable=False),
        Column("consumer", Text, primary_key=True),
        Column("event_id", Uuid, primary_key=True),
        Column("type", Text, nullable=False),
        Column("subject", Text, nullable=False),
        Column("sequence", BigInteger),
        Column("envelope", JSONB),
        Column("received_at", TIME, nullable=False, server_default=NOW),
        Column("status", SmallInteger, nullable=False, server_default=text("0"), comment=STATUS),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("next_attempt_at", TIME, nullable=False, server_default=NOW),
        Column("claim", Uuid),
        Column("lease_until", TIME),
        Column("last_error", Text),
        Column("error_class", Text),
        Column("done_at", TIME),
        Column("redriven_by", Text),
        Column("redrive_count", Integer, nullable=False, server_default=text("0")),
        CheckConstraint("(claim IS NULL) = (lease_until IS NULL)", name="lease_is_whole"),
        Index("inbox_ready", "consumer", "next_attempt_at", "seq", postgresql_where=text("status = 0")),
        Index("inbox_seq", "consumer", "seq", postgresql_where=text("status = 0")),
        Index(
            "inbox_block",
            "consumer",
            "subject",
            "seq",
            postgresql_where=text("status = 2 OR (status = 0 AND attempts > 0)"),
        ),
        Index("inbox_done", "done_at", postgresql_where=text("status IN (1, 3)")),
        postgresql_with={"fillfactor": "70", **_VACUUM},
    )


def _idempotency_keys(metadata: MetaData) -> None:
    Table(
        "idempotency_keys",
        metadata,
        Column("principal", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("route", Text, primary_key=True),
        Column("fingerprint", LargeBinary, nullable=False),
        Column("status", Integer),
        Column("headers", JSONB),
        Column("body", LargeBinary),
        Column("created_at", TIME, nullable=False, server_default=NOW),
        Index("idempotency_keys_created_at_idx", "created_at"),
    )


# Frozen: a later change is a further constant and a further migration.
PLUMBING_V1 = """
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox_pkey PRIMARY KEY,
  event_id uuid NOT NULL CONSTRAINT outbox_event_id_key UNIQUE,
  type text NOT NULL, subject text NOT NULL, sequence bigint NOT NULL, envelope jsonb NOT NULL,
  occurred_at timestamptz NOT NULL DEFAULT now(), created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz,
  attempts int NOT NULL DEFAULT 0, next_attempt_at timestamptz NOT NULL DEFAULT now(), last_error text,
  parked_at timestamptz,
  CONSTRAINT outbox_subject_sequence_type_key UNIQUE (subject, sequence, type)
) WITH (fillfactor=80, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
CREATE INDEX outbox_pending ON outbox (id) WHERE published_at IS NULL AND parked_at IS NULL;
CREATE INDEX outbox_replay ON outbox (type, occurred_at) WHERE published_at IS NOT NULL;

CREATE TABLE inbox (
  seq bigint GENERATED ALWAYS AS IDENTITY, consumer text NOT NULL, event_id uuid NOT NULL,
  type text NOT NULL, subject text NOT NULL, sequence bigint, envelope jsonb,
  received_at timestamptz NOT NULL DEFAULT now(),
  status smallint NOT NULL DEFAULT 0,
  attempts int NOT NULL DEFAULT 0, next_attempt_at timestamptz NOT NULL DEFAULT now(),
  claim uuid, lease_until timestamptz, last_error text, error_class text, done_at timestamptz,
  redriven_by text, redrive_count int NOT NULL DEFAULT 0,
  CONSTRAINT inbox_pkey PRIMARY KEY (consumer, event_id),
  CONSTRAINT inbox_lease_is_whole_check CHECK ((claim IS NULL) = (lease_until IS NULL))
) WITH (fillfactor=70, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
CREATE INDEX inbox_ready ON inbox (consumer, next_attempt_at, seq) WHERE status = 0;
CREATE INDEX inbox_seq ON inbox (consumer, seq) WHERE status = 0;
CREATE INDEX inbox_block ON inbox (consumer, subject, seq) WHERE status = 2 OR (status = 0 AND attempts > 0);
CREATE INDEX inbox_done ON inbox (done_at) WHERE status IN (1, 3);
COMMENT ON COLUMN outbox.occurred_at IS 'domain time; created_at is the database''s';
COMMENT ON COLUMN inbox.status IS '0 pending, 1 done, 2 parked, 3 skipped';

CREATE TABLE idempotency_keys (
  principal text NOT NULL, key text NOT NULL, route text NOT NULL, fingerprint bytea NOT NULL,
  status int, headers jsonb, body bytea, created_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal, key, route)
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

CREATE UNLOGGED TABLE rate_limits (
  key text NOT NULL CONSTRAINT rate_limits_pkey PRIMARY KEY, tat timestamptz NOT NULL
) WITH (fillfactor=70);

-- RFC 9562: 48 bits of milliseconds, then random bits with the version and the variant set.
CREATE FUNCTION atelier_uuid7() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
              FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

CREATE FUNCTION outbox_add(
  p_type text, p_subject text, p_sequence bigint, p_data jsonb, p_source text, p_version int DEFAULT 1,
  p_occurred_at timestamptz DEFAULT clock_timestamp(), p_actor text DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  v_id uuid := atelier_uuid7();
  v_time text := to_char(p_occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
BEGIN
  INSERT INTO outbox (event_id, type, subject, sequence, occurred_at, envelope) VALUES (
    v_id, p_type, p_subject, p_sequence, p_occurred_at,
    jsonb_strip_nulls(jsonb_build_object(
      'specversion', '1.0', 'id', v_id, 'source', p_source, 'type', p_type, 'subject', p_subject, 'time', v_time,
      'sequence', lpad(p_sequence::text, 20, '0'), 'dataversion', p_version,
      'dataschema', 'urn:schema:' || p_type || ':' || p_version, 'datacontenttype', 'application/json',
      'actor', p_actor)) || jsonb_build_object('data', p_data));
  RETURN v_id;
END $$;
"""
