"""Complaints about posts."""

from alembic import op

revision = "0003"
down_revision = "0002"

TABLES = """
CREATE TABLE post_reports (
  id UUID NOT NULL,
  topic_id UUID NOT NULL,
  comment_id UUID,
  reporter_id UUID NOT NULL,
  reason TEXT NOT NULL,
  note TEXT,
  state TEXT DEFAULT 'open' NOT NULL,
  handled_by UUID,
  handled_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT post_reports_pkey PRIMARY KEY (id),
  CONSTRAINT post_reports_state_check CHECK (state IN ('open', 'upheld', 'dismissed')),
  CONSTRAINT post_reports_reason_check CHECK (reason IN ('spam', 'abuse', 'off_topic', 'illegal', 'other')),
  CONSTRAINT post_reports_topic_id_comment_id_reporter_id_key UNIQUE NULLS NOT DISTINCT (topic_id, comment_id, reporter_id),
  CONSTRAINT post_reports_topic_id_fkey FOREIGN KEY(topic_id) REFERENCES forum_topics (id) ON DELETE CASCADE,
  CONSTRAINT post_reports_comment_id_fkey FOREIGN KEY(comment_id) REFERENCES forum_comments (id) ON DELETE CASCADE
);

CREATE INDEX post_reports_comment_id_idx ON post_reports (comment_id);

CREATE INDEX post_reports_open_idx ON post_reports (id) WHERE state = 'open';

CREATE INDEX post_reports_reporter_id_idx ON post_reports (reporter_id);
"""


def upgrade() -> None:
    op.execute(TABLES)
