"""Users to erase, and the tombstones of those who were."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE erasures (
          user_id uuid CONSTRAINT erasures_pkey PRIMARY KEY,
          request_id uuid NOT NULL,
          requested_at timestamptz NOT NULL,
          finished_at timestamptz
        );
        CREATE INDEX erasures_unfinished_idx ON erasures (requested_at) WHERE finished_at IS NULL;
    """)
