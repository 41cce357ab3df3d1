"""Users who were erased: payments stay, as the law wants, and nothing names the person any more."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("ALTER TABLE billing_customers ADD COLUMN erased_at TIMESTAMP WITH TIME ZONE")
