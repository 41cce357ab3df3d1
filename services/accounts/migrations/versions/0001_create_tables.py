from alembic import op

from shared.events.tables import PLUMBING_V1

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE users (
  id uuid NOT NULL CONSTRAINT users_pkey PRIMARY KEY,
  email text NOT NULL CONSTRAINT users_email_key UNIQUE,
  email_typed text NOT NULL,
  email_verified_at timestamptz,
  password_hash text,
  password_changed_at timestamptz,
  display_name text NOT NULL,
  handle text NOT NULL CONSTRAINT users_handle_key UNIQUE,
  status text NOT NULL CONSTRAINT users_status_check CHECK (status IN ('active', 'disabled')),
  roles text[] NOT NULL,
  locale text NOT NULL,
  timezone text NOT NULL,
  stripe_customer_id text CONSTRAINT users_stripe_customer_id_key UNIQUE,
  referral_code text,
  referral_click_id text,
  version bigint NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX users_created_at_id_idx ON users (created_at, id);
CREATE INDEX users_unverified_idx ON users (created_at) WHERE email_verified_at IS NULL;

CREATE TABLE user_sessions (
  id uuid NOT NULL CONSTRAINT user_sessions_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT user_sessions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  token bytea NOT NULL CONSTRAINT user_sessions_token_key UNIQUE,
  created_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  idle_expires_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  revoked_at timestamptz,
  revoke_reason text,
  ip inet,
  user_agent text,
  device_label text NOT NULL,
  aal smallint NOT NULL,
  auth_time timestamptz NOT NULL
) WITH (fillfactor = 80);
COMMENT ON COLUMN user_sessions.token IS 'SHA-256 of the token';
CREATE INDEX user_sessions_user_id_idx ON user_sessions (user_id, created_at);
CREATE INDEX user_sessions_expires_at_idx ON user_sessions (expires_at);

CREATE TABLE one_time_tokens (
  token_hash bytea NOT NULL CONSTRAINT one_time_tokens_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT one_time_tokens_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  purpose text NOT NULL,
  expires_at timestamptz NOT NULL
);
CREATE INDEX one_time_tokens_user_id_idx ON one_time_tokens (user_id, purpose);
CREATE INDEX one_time_tokens_expires_at_idx ON one_time_tokens (expires_at);

CREATE TABLE known_devices (
  user_id uuid NOT NULL CONSTRAINT known_devices_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  device_hash bytea NOT NULL,
  first_seen_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  CONSTRAINT known_devices_pkey PRIMARY KEY (user_id, device_hash)
);

CREATE TABLE api_keys (
  id text NOT NULL CONSTRAINT api_keys_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT api_keys_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  name text NOT NULL,
  secret_hash bytea NOT NULL,
  previous_secret_hash bytea,
  overlap_until timestamptz,
  last4 text NOT NULL,
  scopes text[] NOT NULL,
  tools text[] NOT NULL,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  created_at timestamptz NOT NULL
);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id, created_at);

CREATE TABLE mails (
  dedupe_key text NOT NULL CONSTRAINT mails_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT mails_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  template text NOT NULL,
  requested_at timestamptz NOT NULL,
  sent_at timestamptz
);
CREATE INDEX mails_user_id_idx ON mails (user_id);
CREATE INDEX mails_requested_at_idx ON mails (requested_at);

CREATE TABLE usage_events (
  usage_id uuid NOT NULL CONSTRAINT usage_events_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT usage_events_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  metric text NOT NULL,
  quantity bigint NOT NULL,
  occurred_at timestamptz NOT NULL,
  period_start timestamptz NOT NULL
);
CREATE INDEX usage_events_user_id_metric_occurred_at_idx ON usage_events (user_id, metric, occurred_at);
CREATE INDEX usage_events_occurred_at_idx ON usage_events (occurred_at);

CREATE TABLE user_usage_stats (
  id uuid NOT NULL CONSTRAINT user_usage_stats_pkey PRIMARY KEY,
  user_id uuid NOT NULL CONSTRAINT user_usage_stats_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  period_start timestamptz NOT NULL,
  period_end timestamptz NOT NULL,
  ai_generations_count bigint NOT NULL DEFAULT 0,
  studio_jobs_count bigint NOT NULL DEFAULT 0,
  chat_messages_count bigint NOT NULL DEFAULT 0,
  images_generated bigint NOT NULL DEFAULT 0,
  export_seconds_used bigint NOT NULL DEFAULT 0,
  voiceover_seconds_used bigint NOT NULL DEFAULT 0,
  export_minutes_used numeric NOT NULL GENERATED ALWAYS AS (round(export_seconds_used / 60.0, 2)) STORED,
  voiceover_minutes_used numeric NOT NULL GENERATED ALWAYS AS (round(voiceover_seconds_used / 60.0, 2)) STORED,
  last_reset_at timestamptz NOT NULL GENERATED ALWAYS AS (period_start) STORED,
  updated_at timestamptz NOT NULL,
  CONSTRAINT user_usage_stats_user_id_period_start_key UNIQUE (user_id, period_start)
) WITH (fillfactor = 80);

CREATE TABLE user_plan (
  user_id uuid NOT NULL CONSTRAINT user_plan_pkey PRIMARY KEY
    CONSTRAINT user_plan_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
  version bigint NOT NULL,
  plan_id text NOT NULL,
  limits jsonb NOT NULL,
  period_anchor timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
"""


def upgrade() -> None:
    op.execute(PLUMBING_V1)
    op.execute(TABLES)
