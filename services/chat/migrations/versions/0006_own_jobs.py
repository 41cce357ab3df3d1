"""What jobs and accounts tell of users, for the assistant and for staff; and what the assistant looked up."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE known_users (
          user_id uuid CONSTRAINT known_users_pkey PRIMARY KEY,
          handle text NOT NULL, display_name text NOT NULL, version bigint NOT NULL
        );
        CREATE TABLE known_jobs (
          job_id uuid CONSTRAINT known_jobs_pkey PRIMARY KEY,
          user_id uuid NOT NULL, tool text NOT NULL, status text NOT NULL, error_code text,
          run_at timestamptz, expires_at timestamptz, is_expired boolean NOT NULL DEFAULT false,
          ordered_at timestamptz NOT NULL, updated_at timestamptz NOT NULL
        );
        CREATE INDEX known_jobs_user_id_ordered_at_idx ON known_jobs (user_id, ordered_at);
        CREATE INDEX known_jobs_updated_at_idx ON known_jobs (updated_at);
        CREATE TABLE known_batches (
          batch_id uuid CONSTRAINT known_batches_pkey PRIMARY KEY,
          user_id uuid NOT NULL, counts jsonb NOT NULL, completed_at timestamptz NOT NULL
        );
        CREATE INDEX known_batches_user_id_completed_at_idx ON known_batches (user_id, completed_at);
        CREATE INDEX known_batches_completed_at_idx ON known_batches (completed_at);
        ALTER TABLE chat_stream_chunks ADD COLUMN tool jsonb;
        COMMENT ON COLUMN chat_stream_chunks.tool IS 'what the assistant looked up; such a row adds no text';
    """)
