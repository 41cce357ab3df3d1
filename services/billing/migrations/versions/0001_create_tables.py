"""The first tables of billing."""

from alembic import op

from shared.events.tables import PLUMBING_V1

revision = "0001"
down_revision = None

TABLES = """
CREATE TABLE billing_customers (
  user_id UUID NOT NULL,
  stripe_customer_id TEXT,
  email TEXT,
  registered_at TIMESTAMP WITH TIME ZONE NOT NULL,
  entitlement_version BIGINT DEFAULT 0 NOT NULL,
  entitlement JSONB,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT billing_customers_pkey PRIMARY KEY (user_id),
  CONSTRAINT billing_customers_stripe_customer_id_key UNIQUE (stripe_customer_id)
);

CREATE TABLE checkouts (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  plan_id TEXT NOT NULL,
  interval TEXT NOT NULL,
  status TEXT NOT NULL,
  stripe_session_id TEXT,
  url TEXT,
  expires_at TIMESTAMP WITH TIME ZONE,
  promotion_code TEXT,
  success_url TEXT NOT NULL,
  cancel_url TEXT NOT NULL,
  request_key TEXT,
  fingerprint BYTEA NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT checkouts_pkey PRIMARY KEY (id),
  CONSTRAINT checkouts_status_check CHECK (status IN ('reserved', 'open', 'complete', 'expired', 'superseded', 'failed')),
  CONSTRAINT checkouts_request_key UNIQUE (user_id, request_key),
  CONSTRAINT checkouts_stripe_session_id_key UNIQUE (stripe_session_id)
);

CREATE UNIQUE INDEX checkouts_one_open_key ON checkouts (user_id) WHERE status IN ('reserved', 'open');

CREATE INDEX checkouts_user_id_idx ON checkouts (user_id);

CREATE TABLE ignored_transitions (
  id UUID NOT NULL,
  object_id UUID NOT NULL,
  from_status TEXT NOT NULL,
  to_status TEXT NOT NULL,
  reason TEXT NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT ignored_transitions_pkey PRIMARY KEY (id)
);

CREATE INDEX ignored_transitions_object_id_idx ON ignored_transitions (object_id);

CREATE TABLE prices (
  lookup_key TEXT NOT NULL,
  livemode BOOLEAN NOT NULL,
  stripe_price_id TEXT NOT NULL,
  CONSTRAINT prices_pkey PRIMARY KEY (lookup_key, livemode)
);

CREATE TABLE subscriptions (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  plan_id TEXT NOT NULL,
  interval TEXT NOT NULL,
  status TEXT NOT NULL,
  raw_status TEXT NOT NULL,
  stripe_subscription_id TEXT NOT NULL,
  stripe_customer_id TEXT NOT NULL,
  checkout_id UUID,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  period_start TIMESTAMP WITH TIME ZONE NOT NULL,
  period_end TIMESTAMP WITH TIME ZONE NOT NULL,
  cancel_at TIMESTAMP WITH TIME ZONE,
  trial_end TIMESTAMP WITH TIME ZONE,
  past_due_since TIMESTAMP WITH TIME ZONE,
  ended_at TIMESTAMP WITH TIME ZONE,
  version BIGINT NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT subscriptions_pkey PRIMARY KEY (id),
  CONSTRAINT subscriptions_stripe_subscription_id_key UNIQUE (stripe_subscription_id)
);

CREATE INDEX subscriptions_checkout_id_idx ON subscriptions (checkout_id);

CREATE UNIQUE INDEX subscriptions_one_live_key ON subscriptions (user_id) WHERE status IN ('incomplete', 'trialing', 'active', 'past_due', 'paused', 'suspended');

CREATE INDEX subscriptions_stripe_customer_id_idx ON subscriptions (stripe_customer_id);

CREATE INDEX subscriptions_user_id_idx ON subscriptions (user_id);

CREATE TABLE webhook_events (
  id UUID NOT NULL,
  stripe_event_id TEXT NOT NULL,
  livemode BOOLEAN NOT NULL,
  event_type TEXT NOT NULL,
  object_id TEXT,
  payload JSONB NOT NULL,
  status TEXT NOT NULL,
  attempts INTEGER DEFAULT 0 NOT NULL,
  lease_until TIMESTAMP WITH TIME ZONE,
  next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  last_error TEXT,
  received_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
  processed_at TIMESTAMP WITH TIME ZONE,
  CONSTRAINT webhook_events_pkey PRIMARY KEY (id),
  CONSTRAINT webhook_events_stripe_event_id_livemode_key UNIQUE (stripe_event_id, livemode),
  CONSTRAINT webhook_events_status_check CHECK (status IN ('RECEIVED', 'PROCESSING', 'PROCESSED', 'IGNORED', 'RETRY', 'DEAD'))
);

CREATE INDEX webhook_events_due_idx ON webhook_events (next_attempt_at) WHERE status IN ('RECEIVED', 'RETRY', 'PROCESSING');

CREATE INDEX webhook_events_status_received_at_idx ON webhook_events (status, received_at, id);

CREATE TABLE payments (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  kind TEXT NOT NULL,
  stripe_customer_id TEXT,
  stripe_session_id TEXT,
  stripe_subscription_id TEXT,
  stripe_payment_intent_id TEXT,
  stripe_invoice_id TEXT,
  checkout_id UUID,
  plan_id TEXT NOT NULL,
  plan_name TEXT NOT NULL,
  status TEXT NOT NULL,
  amount BIGINT NOT NULL,
  amount_tax BIGINT DEFAULT 0 NOT NULL,
  amount_discount BIGINT DEFAULT 0 NOT NULL,
  amount_refunded BIGINT DEFAULT 0 NOT NULL,
  currency TEXT DEFAULT 'usd' NOT NULL,
  billing_cycle TEXT DEFAULT 'monthly',
  dispute_state TEXT DEFAULT 'none' NOT NULL,
  failure_code TEXT,
  attempts INTEGER DEFAULT 0 NOT NULL,
  metadata JSONB,
  paid_at TIMESTAMP WITH TIME ZONE,
  version BIGINT DEFAULT 1 NOT NULL,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT payments_pkey PRIMARY KEY (id),
  CONSTRAINT payments_status_check CHECK (status IN ('PENDING', 'PROCESSING', 'PAID', 'FAILED', 'REFUNDED', 'PARTIALLY_REFUNDED', 'CANCELLED')),
  CONSTRAINT payments_amounts_check CHECK (amount >= 0 AND amount_refunded >= 0 AND amount_refunded <= amount),
  CONSTRAINT payments_stripe_session_id_key UNIQUE (stripe_session_id),
  CONSTRAINT payments_stripe_payment_intent_id_key UNIQUE (stripe_payment_intent_id),
  CONSTRAINT payments_stripe_invoice_id_key UNIQUE (stripe_invoice_id),
  CONSTRAINT payments_checkout_id_key UNIQUE (checkout_id),
  CONSTRAINT payments_checkout_id_fkey FOREIGN KEY(checkout_id) REFERENCES checkouts (id)
);

CREATE INDEX payments_status_idx ON payments (status);

CREATE INDEX payments_stripe_customer_id_idx ON payments (stripe_customer_id);

CREATE INDEX payments_stripe_subscription_id_idx ON payments (stripe_subscription_id);

CREATE INDEX payments_user_id_created_at_idx ON payments (user_id, created_at, id);

CREATE INDEX payments_user_id_status_idx ON payments (user_id, status);

CREATE TABLE disputes (
  id UUID NOT NULL,
  payment_id UUID NOT NULL,
  stripe_dispute_id TEXT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  state TEXT NOT NULL,
  outcome TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT disputes_pkey PRIMARY KEY (id),
  CONSTRAINT disputes_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id) ON DELETE CASCADE,
  CONSTRAINT disputes_stripe_dispute_id_key UNIQUE (stripe_dispute_id)
);

CREATE INDEX disputes_payment_id_idx ON disputes (payment_id);

CREATE TABLE refunds (
  id UUID NOT NULL,
  payment_id UUID NOT NULL,
  stripe_refund_id TEXT,
  amount BIGINT NOT NULL,
  status TEXT NOT NULL,
  reason TEXT NOT NULL,
  cancel_subscription BOOLEAN NOT NULL,
  requested_by UUID,
  request_key TEXT,
  fingerprint BYTEA,
  error TEXT,
  created_at TIMESTAMP WITH TIME ZONE NOT NULL,
  updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
  CONSTRAINT refunds_pkey PRIMARY KEY (id),
  CONSTRAINT refunds_request_key UNIQUE (payment_id, request_key),
  CONSTRAINT refunds_payment_id_fkey FOREIGN KEY(payment_id) REFERENCES payments (id) ON DELETE CASCADE,
  CONSTRAINT refunds_stripe_refund_id_key UNIQUE (stripe_refund_id)
);

CREATE INDEX refunds_payment_id_idx ON refunds (payment_id);
"""


def upgrade() -> None:
    op.execute(PLUMBING_V1)
    op.execute(TABLES)
