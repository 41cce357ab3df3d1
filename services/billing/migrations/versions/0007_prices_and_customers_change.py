"""Prices that are sold no more, and users whose Stripe customer was deleted and who get another."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE prices ADD COLUMN retired_at TIMESTAMP WITH TIME ZONE;
        ALTER TABLE prices DROP CONSTRAINT prices_pkey;
        ALTER TABLE prices ADD CONSTRAINT prices_pkey PRIMARY KEY (stripe_price_id);
        CREATE UNIQUE INDEX prices_current_key ON prices (lookup_key, livemode) WHERE retired_at IS NULL;
        ALTER TABLE billing_customers ADD COLUMN bindings bigint NOT NULL DEFAULT 0;
        UPDATE billing_customers SET bindings = 1 WHERE stripe_customer_id IS NOT NULL;
    """)
