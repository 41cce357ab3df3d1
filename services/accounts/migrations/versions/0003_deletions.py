"""Accounts that are to be deleted, and which services have done so."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE deletion_requests (
          id uuid NOT NULL CONSTRAINT deletion_requests_pkey PRIMARY KEY,
          user_id uuid NOT NULL,
          state text NOT NULL CONSTRAINT deletion_requests_state_check
            CHECK (state IN ('waiting', 'erasing', 'done', 'partial', 'cancelled')),
          forum_content text NOT NULL CONSTRAINT deletion_requests_forum_content_check
            CHECK (forum_content IN ('keep', 'blank')),
          requested_at timestamptz NOT NULL,
          execute_after timestamptz NOT NULL,
          begun_at timestamptz,
          finished_at timestamptz
        );
        CREATE UNIQUE INDEX deletion_requests_one_at_a_time ON deletion_requests (user_id)
          WHERE state IN ('waiting', 'erasing');
        CREATE INDEX deletion_requests_due_idx ON deletion_requests (execute_after)
          WHERE state IN ('waiting', 'erasing');
        CREATE TABLE deletion_confirmations (
          request_id uuid NOT NULL CONSTRAINT deletion_confirmations_request_id_fkey
            REFERENCES deletion_requests (id) ON DELETE CASCADE,
          service text NOT NULL,
          counts jsonb NOT NULL,
          confirmed_at timestamptz NOT NULL,
          CONSTRAINT deletion_confirmations_pkey PRIMARY KEY (request_id, service)
        );
    """)
