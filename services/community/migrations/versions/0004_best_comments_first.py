"""Comments by score."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("CREATE INDEX forum_comments_top_idx ON forum_comments (topic_id, score, id)")
