"""Roles and plans of users, orders to end their streams, and notices of topics that moderators removed."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE user_standing
          ADD COLUMN roles TEXT[] DEFAULT '{}' NOT NULL,
          ADD COLUMN roles_version BIGINT DEFAULT 0 NOT NULL,
          ADD COLUMN is_paying BOOLEAN DEFAULT false NOT NULL,
          ADD COLUMN plan_version BIGINT DEFAULT 0 NOT NULL;
        CREATE TABLE stream_ends (
          id BIGINT GENERATED ALWAYS AS IDENTITY CONSTRAINT stream_ends_pkey PRIMARY KEY,
          user_id UUID NOT NULL,
          session_id UUID,
          ended_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
        );
        CREATE INDEX stream_ends_user_id_ended_at_idx ON stream_ends (user_id, ended_at);
        ALTER TABLE notifications DROP CONSTRAINT notifications_kind_check;
        ALTER TABLE notifications ADD CONSTRAINT notifications_kind_check
          CHECK (kind IN ('mention', 'reply', 'comment', 'accepted', 'removed'));
    """)
