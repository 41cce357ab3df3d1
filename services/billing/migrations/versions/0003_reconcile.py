"""When a customer was last compared with Stripe."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE billing_customers ADD COLUMN reconciled_at TIMESTAMP WITH TIME ZONE")
