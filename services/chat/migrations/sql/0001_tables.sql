CREATE TABLE chat_sessions (
  id uuid CONSTRAINT chat_sessions_pkey PRIMARY KEY,
  user_id uuid, session_token bytea CONSTRAINT chat_sessions_session_token_key UNIQUE,
  claimed_token bytea CONSTRAINT chat_sessions_claimed_token_key UNIQUE,
  title text, context jsonb NOT NULL, locale text NOT NULL, mode text NOT NULL DEFAULT 'BOT',
  is_active boolean NOT NULL DEFAULT true,
  last_seq bigint NOT NULL DEFAULT 0, message_count bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1, edits bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL, last_activity_at timestamptz NOT NULL, ended_at timestamptz, claimed_at timestamptz,
  CONSTRAINT chat_sessions_has_owner_check CHECK (user_id IS NOT NULL OR session_token IS NOT NULL),
  CONSTRAINT chat_sessions_mode_check CHECK (mode IN ('BOT', 'WAITING_HUMAN', 'HUMAN'))
) WITH (fillfactor=80);
COMMENT ON COLUMN chat_sessions.session_token IS 'SHA-256 of the visitor''s token; the token itself is shown once';
COMMENT ON COLUMN chat_sessions.claimed_token IS 'SHA-256 of the token that claimed it: it opens nothing, a repeated claim is recognised by it';
CREATE INDEX chat_sessions_user_id_last_activity_at_idx ON chat_sessions (user_id, last_activity_at, id);
CREATE INDEX chat_sessions_last_activity_at_idx ON chat_sessions (last_activity_at, id);

CREATE TABLE chat_messages (
  id uuid CONSTRAINT chat_messages_pkey PRIMARY KEY,
  chat_session_id uuid NOT NULL
    CONSTRAINT chat_messages_chat_session_id_fkey REFERENCES chat_sessions (id) ON DELETE CASCADE,
  seq bigint NOT NULL, role text NOT NULL, client_message_id text, content text NOT NULL, status text NOT NULL,
  finish_reason text, error_code text, citations jsonb NOT NULL DEFAULT '[]', provider text, model text,
  reply_to uuid, lease_token uuid, lease_until timestamptz,
  payer_id uuid, period_start timestamptz, period_end timestamptz,
  created_at timestamptz NOT NULL, completed_at timestamptz,
  CONSTRAINT chat_messages_chat_session_id_seq_key UNIQUE (chat_session_id, seq),
  CONSTRAINT chat_messages_chat_session_id_client_message_id_key UNIQUE (chat_session_id, client_message_id),
  CONSTRAINT chat_messages_role_check CHECK (role IN ('USER', 'ASSISTANT', 'SYSTEM')),
  CONSTRAINT chat_messages_status_check CHECK (status IN ('COMPLETE', 'STREAMING', 'STOPPED', 'FAILED')),
  CONSTRAINT chat_messages_lease_is_whole_check CHECK ((status = 'STREAMING') = (lease_until IS NOT NULL))
) WITH (fillfactor=80);
COMMENT ON COLUMN chat_messages.payer_id IS 'whose quota holds this answer until it ends; null for visitors';
CREATE UNIQUE INDEX chat_messages_one_answer_at_a_time ON chat_messages (chat_session_id) WHERE status = 'STREAMING';
CREATE INDEX chat_messages_lease_until_idx ON chat_messages (lease_until) WHERE status = 'STREAMING';
CREATE INDEX chat_messages_reply_to_idx ON chat_messages (reply_to) WHERE reply_to IS NOT NULL;

-- The log that readers tail. Losing it in a crash of Postgres costs a resume, never a message.
CREATE UNLOGGED TABLE chat_stream_chunks (
  message_id uuid NOT NULL
    CONSTRAINT chat_stream_chunks_message_id_fkey REFERENCES chat_messages (id) ON DELETE CASCADE,
  n bigint NOT NULL, delta text NOT NULL,
  CONSTRAINT chat_stream_chunks_pkey PRIMARY KEY (message_id, n)
);

CREATE TABLE chat_feedback (
  message_id uuid CONSTRAINT chat_feedback_pkey PRIMARY KEY
    CONSTRAINT chat_feedback_message_id_fkey REFERENCES chat_messages (id) ON DELETE CASCADE,
  rating text NOT NULL, reason text, comment text, created_at timestamptz NOT NULL,
  CONSTRAINT chat_feedback_rating_check CHECK (rating IN ('up', 'down'))
);

CREATE TABLE unanswered_questions (
  message_id uuid CONSTRAINT unanswered_questions_pkey PRIMARY KEY
    CONSTRAINT unanswered_questions_message_id_fkey REFERENCES chat_messages (id) ON DELETE CASCADE,
  question text NOT NULL, locale text NOT NULL, best_score real, created_at timestamptz NOT NULL
);
CREATE INDEX unanswered_questions_created_at_idx ON unanswered_questions (created_at, message_id);

CREATE TABLE faq_entries (
  item_id uuid CONSTRAINT faq_entries_pkey PRIMARY KEY,
  version bigint NOT NULL, is_published boolean NOT NULL, locale text NOT NULL, category text NOT NULL,
  question text NOT NULL, answer text NOT NULL, updated_at timestamptz NOT NULL,
  words tsvector GENERATED ALWAYS AS (to_tsvector('english'::regconfig, question || ' '::text || answer)) STORED
);
CREATE INDEX faq_entries_words_idx ON faq_entries USING gin (words);

CREATE TABLE stream_ends (
  id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT stream_ends_pkey PRIMARY KEY,
  user_id uuid NOT NULL, session_id uuid, ended_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX stream_ends_user_id_ended_at_idx ON stream_ends (user_id, ended_at);

CREATE TABLE entitlements (
  user_id uuid CONSTRAINT entitlements_pkey PRIMARY KEY,
  version bigint NOT NULL, plan_id text NOT NULL, limits jsonb NOT NULL, grants jsonb NOT NULL,
  period_anchor timestamptz NOT NULL, disabled_at timestamptz, updated_at timestamptz NOT NULL
);
COMMENT ON COLUMN entitlements.version IS '0 until billing has spoken: the free plan by our own defaults';

CREATE TABLE usage_counters (
  user_id uuid NOT NULL, metric text NOT NULL, period_start timestamptz NOT NULL, period_end timestamptz NOT NULL,
  used bigint NOT NULL DEFAULT 0, reserved bigint NOT NULL DEFAULT 0, lim bigint NOT NULL,
  notices bigint NOT NULL DEFAULT 0,
  CONSTRAINT usage_counters_pkey PRIMARY KEY (user_id, metric, period_start),
  CONSTRAINT usage_counters_never_negative_check CHECK (used >= 0 AND reserved >= 0)
) WITH (fillfactor=70);
