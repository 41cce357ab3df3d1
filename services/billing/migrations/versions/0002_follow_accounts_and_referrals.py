"""Disabled accounts, and who was referred."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE billing_customers ADD COLUMN disabled_at TIMESTAMP WITH TIME ZONE")
    op.execute("ALTER TABLE billing_customers ADD COLUMN referral_id UUID")
    op.execute("ALTER TABLE subscriptions ADD COLUMN stopped_with_account BOOLEAN DEFAULT false NOT NULL")
    op.execute("ALTER TABLE checkouts ADD COLUMN discount_percent INTEGER DEFAULT 0 NOT NULL")
