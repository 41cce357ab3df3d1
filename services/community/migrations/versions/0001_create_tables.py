"""The first tables of community."""

from alembic import op

from shared.events.tables import PLUMBING_V1

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE affiliates (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  affiliate_code TEXT NOT NULL,
  status TEXT NOT NULL,
  commission_rate INTEGER NOT NULL,
  payout_email TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT affiliates_pkey PRIMARY KEY (id),
  CONSTRAINT affiliates_status_check CHECK (status IN ('pending', 'approved', 'rejected', 'suspended')),
  CONSTRAINT affiliates_commission_rate_check CHECK (commission_rate BETWEEN 0 AND 10000),
  CONSTRAINT affiliates_user_id_key UNIQUE (user_id),
  CONSTRAINT affiliates_affiliate_code_key UNIQUE (affiliate_code)
);

CREATE INDEX affiliates_status_idx ON affiliates (status);

CREATE TABLE faq_categories (
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  position INTEGER NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT faq_categories_pkey PRIMARY KEY (slug)
);

CREATE TABLE forum_categories (
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  description TEXT NOT NULL,
  position INTEGER NOT NULL,
  CONSTRAINT forum_categories_pkey PRIMARY KEY (slug)
);

CREATE TABLE payment_facts (
  payment_id UUID NOT NULL,
  user_id UUID NOT NULL,
  currency TEXT NOT NULL,
  paid_at TIMESTAMP WITH TIME ZONE,
  amount_net BIGINT,
  amount_net_remaining BIGINT,
  refund_version BIGINT,
  CONSTRAINT payment_facts_pkey PRIMARY KEY (payment_id)
);

CREATE INDEX payment_facts_user_id_idx ON payment_facts (user_id);

CREATE TABLE profiles (
  user_id UUID NOT NULL,
  handle TEXT NOT NULL,
  display_name TEXT NOT NULL,
  email_fingerprint TEXT,
  version BIGINT NOT NULL,
  CONSTRAINT profiles_pkey PRIMARY KEY (user_id)
);

CREATE INDEX profiles_email_fingerprint_idx ON profiles (email_fingerprint);

CREATE INDEX profiles_handle_idx ON profiles (handle);

CREATE TABLE affiliate_balances (
  affiliate_id UUID NOT NULL,
  currency TEXT NOT NULL,
  amount BIGINT NOT NULL,
  CONSTRAINT affiliate_balances_pkey PRIMARY KEY (affiliate_id, currency),
  CONSTRAINT affiliate_balances_affiliate_id_fkey FOREIGN KEY(affiliate_id) REFERENCES affiliates (id) ON DELETE RESTRICT
);

CREATE TABLE affiliate_clicks (
  id UUID NOT NULL,
  affiliate_id UUID NOT NULL,
  visitor BYTEA NOT NULL,
  clicked_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT affiliate_clicks_pkey PRIMARY KEY (id),
  CONSTRAINT affiliate_clicks_affiliate_id_fkey FOREIGN KEY(affiliate_id) REFERENCES affiliates (id) ON DELETE CASCADE
);

CREATE INDEX affiliate_clicks_affiliate_id_idx ON affiliate_clicks (affiliate_id);

CREATE INDEX affiliate_clicks_clicked_at_idx ON affiliate_clicks (clicked_at);

CREATE TABLE affiliate_rates (
  affiliate_id UUID NOT NULL,
  effective_from TIMESTAMP WITH TIME ZONE NOT NULL,
  rate_bp INTEGER NOT NULL,
  CONSTRAINT affiliate_rates_pkey PRIMARY KEY (affiliate_id, effective_from),
  CONSTRAINT affiliate_rates_rate_bp_check CHECK (rate_bp BETWEEN 0 AND 10000),
  CONSTRAINT affiliate_rates_affiliate_id_fkey FOREIGN KEY(affiliate_id) REFERENCES affiliates (id) ON DELETE CASCADE
);

CREATE TABLE affiliate_referrals (
  id UUID NOT NULL,
  affiliate_id UUID NOT NULL,
  referred_user_id UUID NOT NULL,
  status TEXT NOT NULL,
  method TEXT NOT NULL,
  rule TEXT NOT NULL,
  click_id UUID,
  registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
  converted_at TIMESTAMP WITH TIME ZONE,
  commission BIGINT DEFAULT 0 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT affiliate_referrals_pkey PRIMARY KEY (id),
  CONSTRAINT affiliate_referrals_status_check CHECK (status IN ('attributed', 'rejected')),
  CONSTRAINT affiliate_referrals_method_check CHECK (method IN ('code', 'link')),
  CONSTRAINT affiliate_referrals_affiliate_id_fkey FOREIGN KEY(affiliate_id) REFERENCES affiliates (id) ON DELETE CASCADE,
  CONSTRAINT affiliate_referrals_referred_user_id_key UNIQUE (referred_user_id)
);

CREATE INDEX affiliate_referrals_affiliate_id_idx ON affiliate_referrals (affiliate_id);

CREATE TABLE dispute_facts (
  payment_id UUID NOT NULL,
  dispute_id UUID NOT NULL,
  outcome TEXT,
  version BIGINT NOT NULL,
  CONSTRAINT dispute_facts_pkey PRIMARY KEY (payment_id, dispute_id),
  CONSTRAINT dispute_facts_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payment_facts (payment_id) ON DELETE CASCADE
);

CREATE TABLE faq_items (
  id UUID NOT NULL,
  question TEXT NOT NULL,
  answer TEXT NOT NULL,
  answer_html TEXT NOT NULL,
  category TEXT NOT NULL,
  "order" BIGINT NOT NULL,
  locale TEXT NOT NULL,
  slug TEXT NOT NULL,
  status TEXT NOT NULL,
  helpful_yes INTEGER DEFAULT 0 NOT NULL,
  helpful_no INTEGER DEFAULT 0 NOT NULL,
  published_at TIMESTAMP WITH TIME ZONE,
  updated_by UUID,
  tsv TSVECTOR GENERATED ALWAYS AS (setweight(to_tsvector('english'::regconfig, question), 'A') || setweight(to_tsvector('english'::regconfig, answer), 'B')) STORED NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT faq_items_pkey PRIMARY KEY (id),
  CONSTRAINT faq_items_status_check CHECK (status IN ('draft', 'published', 'deleted')),
  CONSTRAINT faq_items_slug_key UNIQUE (slug),
  CONSTRAINT faq_items_category_fkey FOREIGN KEY(category) REFERENCES faq_categories (slug)
);

CREATE INDEX faq_items_category_order_idx ON faq_items (category, "order", id);

CREATE INDEX faq_items_tsv_idx ON faq_items USING gin (tsv);

CREATE TABLE forum_topics (
  id UUID NOT NULL,
  title TEXT NOT NULL,
  slug TEXT NOT NULL,
  category TEXT NOT NULL,
  tags TEXT[] NOT NULL,
  kind TEXT NOT NULL,
  locked BOOLEAN DEFAULT false NOT NULL,
  pinned BOOLEAN DEFAULT false NOT NULL,
  accepted_comment_id UUID,
  views BIGINT DEFAULT 0 NOT NULL,
  comment_count INTEGER DEFAULT 0 NOT NULL,
  last_activity_at TIMESTAMP WITH TIME ZONE NOT NULL,
  hot DOUBLE PRECISION GENERATED ALWAYS AS (sign(score::double precision) * log(greatest(abs(score), 1)::double precision) + extract(epoch FROM created_at AT TIME ZONE 'UTC')::double precision / 45000) STORED NOT NULL,
  tsv TSVECTOR GENERATED ALWAYS AS (setweight(to_tsvector('english'::regconfig, title), 'A') || setweight(to_tsvector('english'::regconfig, content), 'B')) STORED NOT NULL,
  user_id UUID NOT NULL,
  content TEXT NOT NULL,
  content_html TEXT NOT NULL,
  renderer_version INTEGER NOT NULL,
  status TEXT DEFAULT 'visible' NOT NULL,
  score INTEGER DEFAULT 0 NOT NULL,
  replies INTEGER DEFAULT 0 NOT NULL,
  revision INTEGER DEFAULT 1 NOT NULL,
  edited_at TIMESTAMP WITH TIME ZONE,
  deleted_at TIMESTAMP WITH TIME ZONE,
  deleted_by UUID,
  delete_reason TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT forum_topics_pkey PRIMARY KEY (id),
  CONSTRAINT forum_topics_status_check CHECK (status IN ('visible', 'deleted', 'removed')),
  CONSTRAINT forum_topics_kind_check CHECK (kind IN ('discussion', 'question')),
  CONSTRAINT forum_topics_category_fkey FOREIGN KEY(category) REFERENCES forum_categories (slug)
);

CREATE INDEX forum_topics_active_idx ON forum_topics (last_activity_at DESC, id DESC) WHERE status = 'visible';

CREATE INDEX forum_topics_category_idx ON forum_topics (category, created_at DESC);

CREATE INDEX forum_topics_hot_idx ON forum_topics (hot DESC, id DESC) WHERE status = 'visible';

CREATE INDEX forum_topics_new_idx ON forum_topics (created_at DESC, id DESC) WHERE status = 'visible';

CREATE INDEX forum_topics_tags_idx ON forum_topics USING gin (tags);

CREATE INDEX forum_topics_top_idx ON forum_topics (score DESC, id DESC) WHERE status = 'visible';

CREATE INDEX forum_topics_tsv_idx ON forum_topics USING gin (tsv);

CREATE INDEX forum_topics_user_id_idx ON forum_topics (user_id);

CREATE TABLE payouts (
  id UUID NOT NULL,
  affiliate_id UUID NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  status TEXT NOT NULL,
  paid_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT payouts_pkey PRIMARY KEY (id),
  CONSTRAINT payouts_status_check CHECK (status IN ('pending', 'paid', 'failed')),
  CONSTRAINT payouts_affiliate_id_fkey FOREIGN KEY(affiliate_id) REFERENCES affiliates (id) ON DELETE RESTRICT
);

CREATE INDEX payouts_affiliate_id_idx ON payouts (affiliate_id);

CREATE TABLE commissions (
  id UUID NOT NULL,
  affiliate_id UUID NOT NULL,
  referral_id UUID NOT NULL,
  payment_id UUID NOT NULL,
  rate_bp INTEGER NOT NULL,
  currency TEXT NOT NULL,
  amount BIGINT DEFAULT 0 NOT NULL,
  held BOOLEAN DEFAULT false NOT NULL,
  available_at TIMESTAMP WITH TIME ZONE NOT NULL,
  approved_at TIMESTAMP WITH TIME ZONE,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT commissions_pkey PRIMARY KEY (id),
  CONSTRAINT commissions_payment_id_affiliate_id_key UNIQUE (payment_id, affiliate_id),
  CONSTRAINT commissions_affiliate_id_fkey FOREIGN KEY(affiliate_id) REFERENCES affiliates (id) ON DELETE RESTRICT,
  CONSTRAINT commissions_referral_id_fkey FOREIGN KEY(referral_id) REFERENCES affiliate_referrals (id) ON DELETE RESTRICT
);

CREATE INDEX commissions_affiliate_idx ON commissions (affiliate_id, created_at DESC, id DESC);

CREATE INDEX commissions_referral_id_idx ON commissions (referral_id);

CREATE INDEX commissions_unapproved_idx ON commissions (available_at) WHERE approved_at IS NULL;

CREATE TABLE faq_feedback (
  item_id UUID NOT NULL,
  voter BYTEA NOT NULL,
  helpful BOOLEAN NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT faq_feedback_pkey PRIMARY KEY (item_id, voter),
  CONSTRAINT faq_feedback_item_id_fkey FOREIGN KEY(item_id) REFERENCES faq_items (id) ON DELETE CASCADE
);

CREATE TABLE forum_comments (
  id UUID NOT NULL,
  topic_id UUID NOT NULL,
  parent_id UUID,
  path BYTEA NOT NULL,
  depth INTEGER NOT NULL,
  user_id UUID NOT NULL,
  content TEXT NOT NULL,
  content_html TEXT NOT NULL,
  renderer_version INTEGER NOT NULL,
  status TEXT DEFAULT 'visible' NOT NULL,
  score INTEGER DEFAULT 0 NOT NULL,
  replies INTEGER DEFAULT 0 NOT NULL,
  revision INTEGER DEFAULT 1 NOT NULL,
  edited_at TIMESTAMP WITH TIME ZONE,
  deleted_at TIMESTAMP WITH TIME ZONE,
  deleted_by UUID,
  delete_reason TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  version BIGINT DEFAULT 1 NOT NULL,
  CONSTRAINT forum_comments_pkey PRIMARY KEY (id),
  CONSTRAINT forum_comments_status_check CHECK (status IN ('visible', 'deleted', 'removed')),
  CONSTRAINT forum_comments_depth_check CHECK (depth BETWEEN 0 AND 8),
  CONSTRAINT forum_comments_topic_id_path_key UNIQUE (topic_id, path),
  CONSTRAINT forum_comments_topic_id_fkey FOREIGN KEY(topic_id) REFERENCES forum_topics (id) ON DELETE CASCADE,
  CONSTRAINT forum_comments_parent_id_fkey FOREIGN KEY(parent_id) REFERENCES forum_comments (id) ON DELETE CASCADE
);

CREATE INDEX forum_comments_new_idx ON forum_comments (topic_id, created_at, id);

CREATE INDEX forum_comments_parent_id_idx ON forum_comments (parent_id);

CREATE INDEX forum_comments_user_id_idx ON forum_comments (user_id);

CREATE UNLOGGED TABLE topic_view_buffer (
  topic_id UUID NOT NULL,
  day DATE NOT NULL,
  viewer BYTEA NOT NULL,
  counted BOOLEAN DEFAULT false NOT NULL,
  CONSTRAINT topic_view_buffer_pkey PRIMARY KEY (topic_id, day, viewer),
  CONSTRAINT topic_view_buffer_topic_id_fkey FOREIGN KEY(topic_id) REFERENCES forum_topics (id) ON DELETE CASCADE
);

CREATE INDEX topic_view_buffer_waiting_idx ON topic_view_buffer (topic_id) WHERE NOT counted;

CREATE TABLE topic_votes (
  post_id UUID NOT NULL,
  user_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT topic_votes_pkey PRIMARY KEY (post_id, user_id),
  CONSTRAINT topic_votes_post_id_fkey FOREIGN KEY(post_id) REFERENCES forum_topics (id) ON DELETE CASCADE
);

CREATE INDEX topic_votes_user_id_idx ON topic_votes (user_id);

CREATE TABLE comment_votes (
  post_id UUID NOT NULL,
  user_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT comment_votes_pkey PRIMARY KEY (post_id, user_id),
  CONSTRAINT comment_votes_post_id_fkey FOREIGN KEY(post_id) REFERENCES forum_comments (id) ON DELETE CASCADE
);

CREATE INDEX comment_votes_user_id_idx ON comment_votes (user_id);

CREATE TABLE commission_entries (
  id UUID NOT NULL,
  commission_id UUID NOT NULL,
  delta BIGINT NOT NULL,
  balance_after BIGINT NOT NULL,
  cause TEXT NOT NULL,
  cause_event_id UUID NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT commission_entries_pkey PRIMARY KEY (id),
  CONSTRAINT commission_entries_commission_id_cause_event_id_key UNIQUE (commission_id, cause_event_id),
  CONSTRAINT commission_entries_delta_check CHECK (delta <> 0),
  CONSTRAINT commission_entries_commission_id_fkey FOREIGN KEY(commission_id) REFERENCES commissions (id) ON DELETE RESTRICT
);

CREATE TABLE payout_entries (
  entry_id UUID NOT NULL,
  payout_id UUID NOT NULL,
  CONSTRAINT payout_entries_pkey PRIMARY KEY (entry_id),
  CONSTRAINT payout_entries_entry_id_fkey FOREIGN KEY(entry_id) REFERENCES commission_entries (id) ON DELETE RESTRICT,
  CONSTRAINT payout_entries_payout_id_fkey FOREIGN KEY(payout_id) REFERENCES payouts (id) ON DELETE RESTRICT
);

CREATE INDEX payout_entries_payout_id_idx ON payout_entries (payout_id);

CREATE FUNCTION refuse_change_of_ledger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ledger entries are never changed';
END $$;

CREATE TRIGGER commission_entries_append_only BEFORE UPDATE OR DELETE ON commission_entries
  FOR EACH ROW EXECUTE FUNCTION refuse_change_of_ledger();
"""


def upgrade() -> None:
    op.execute(PLUMBING_V1)
    op.execute(TABLES)
