"""Moderators silence and ban users, and the log tells of steps that are about no post."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE user_standing
          ADD COLUMN silenced_until TIMESTAMP WITH TIME ZONE,
          ADD COLUMN banned_at TIMESTAMP WITH TIME ZONE;
        ALTER TABLE moderation_log ALTER COLUMN topic_id DROP NOT NULL;
    """)
