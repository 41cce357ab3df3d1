"""Users who were erased: what is heard of them later is not kept."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE erased_users (
          user_id uuid CONSTRAINT erased_users_pkey PRIMARY KEY,
          erased_at timestamptz NOT NULL
        )
    """)
