"""Standing of users, earlier words of posts, notifications, and what moderators did."""

from alembic import op

revision = "0002"
down_revision = "0001"

TABLES = """
ALTER TABLE affiliates ADD COLUMN suspended_with_account BOOLEAN DEFAULT false NOT NULL;

CREATE INDEX forum_topics_unanswered_idx ON forum_topics (created_at DESC, id DESC)
  WHERE status = 'visible' AND comment_count = 0 AND accepted_comment_id IS NULL;

CREATE TABLE user_standing (
  user_id UUID NOT NULL,
  disabled_at TIMESTAMP WITH TIME ZONE,
  erased_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT user_standing_pkey PRIMARY KEY (user_id)
);

CREATE TABLE topic_revisions (
  post_id UUID NOT NULL,
  title TEXT NOT NULL,
  revision INTEGER NOT NULL,
  content TEXT NOT NULL,
  written_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT topic_revisions_pkey PRIMARY KEY (post_id, revision),
  CONSTRAINT topic_revisions_post_id_fkey FOREIGN KEY(post_id) REFERENCES forum_topics (id) ON DELETE CASCADE
);

CREATE TABLE comment_revisions (
  post_id UUID NOT NULL,
  revision INTEGER NOT NULL,
  content TEXT NOT NULL,
  written_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT comment_revisions_pkey PRIMARY KEY (post_id, revision),
  CONSTRAINT comment_revisions_post_id_fkey FOREIGN KEY(post_id) REFERENCES forum_comments (id) ON DELETE CASCADE
);

CREATE TABLE topic_subscriptions (
  topic_id UUID NOT NULL,
  user_id UUID NOT NULL,
  level TEXT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT topic_subscriptions_pkey PRIMARY KEY (topic_id, user_id),
  CONSTRAINT topic_subscriptions_level_check CHECK (level IN ('watching', 'muted')),
  CONSTRAINT topic_subscriptions_topic_id_fkey FOREIGN KEY(topic_id) REFERENCES forum_topics (id) ON DELETE CASCADE
);

CREATE INDEX topic_subscriptions_user_id_idx ON topic_subscriptions (user_id);

CREATE TABLE notifications (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  kind TEXT NOT NULL,
  actor_id UUID NOT NULL,
  topic_id UUID NOT NULL,
  comment_id UUID,
  event_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT notifications_pkey PRIMARY KEY (id),
  CONSTRAINT notifications_kind_check CHECK (kind IN ('mention', 'reply', 'comment', 'accepted')),
  CONSTRAINT notifications_user_id_event_id_key UNIQUE (user_id, event_id),
  CONSTRAINT notifications_topic_id_fkey FOREIGN KEY(topic_id) REFERENCES forum_topics (id) ON DELETE CASCADE,
  CONSTRAINT notifications_comment_id_fkey FOREIGN KEY(comment_id) REFERENCES forum_comments (id) ON DELETE CASCADE
);

CREATE INDEX notifications_comment_id_idx ON notifications (comment_id);

CREATE INDEX notifications_created_at_idx ON notifications (created_at);

CREATE INDEX notifications_topic_id_idx ON notifications (topic_id);

CREATE INDEX notifications_unseen_idx ON notifications (user_id) WHERE seen_at IS NULL;

CREATE INDEX notifications_user_id_id_idx ON notifications (user_id, id DESC);

CREATE TABLE moderation_log (
  id UUID NOT NULL,
  actor_id UUID NOT NULL,
  action TEXT NOT NULL,
  topic_id UUID NOT NULL,
  comment_id UUID,
  author_id UUID NOT NULL,
  reason TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT moderation_log_pkey PRIMARY KEY (id)
);

CREATE INDEX moderation_log_topic_id_idx ON moderation_log (topic_id);
"""


def upgrade() -> None:
    op.execute(TABLES)
