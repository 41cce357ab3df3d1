"""How many entries a payout has, where the money went, and why it did not arrive."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("""
        ALTER TABLE payouts
          ADD COLUMN entry_count BIGINT DEFAULT 0 NOT NULL,
          ADD COLUMN reference TEXT,
          ADD COLUMN failure TEXT;
        UPDATE payouts p SET entry_count = (SELECT count(*) FROM payout_entries WHERE payout_id = p.id);
        CREATE INDEX payouts_status_id_idx ON payouts (status, id);
    """)
