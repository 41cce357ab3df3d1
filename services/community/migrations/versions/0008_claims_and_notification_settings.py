"""Who looks into a report, and what users don't want to be told of."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE post_reports ADD COLUMN claimed_by UUID, ADD COLUMN claimed_at TIMESTAMP WITH TIME ZONE;
        CREATE TABLE notification_settings (
          user_id UUID NOT NULL,
          unwanted TEXT[] NOT NULL,
          updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
          CONSTRAINT notification_settings_pkey PRIMARY KEY (user_id)
        );
    """)
