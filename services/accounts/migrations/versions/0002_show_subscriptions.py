"""What staff see of a user's subscription."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE TABLE user_subscriptions (
          subscription_id uuid NOT NULL CONSTRAINT user_subscriptions_pkey PRIMARY KEY,
          user_id uuid NOT NULL CONSTRAINT user_subscriptions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
          plan_id text NOT NULL,
          status text NOT NULL,
          period_start timestamptz NOT NULL,
          period_end timestamptz NOT NULL,
          cancel_at timestamptz,
          version bigint NOT NULL,
          updated_at timestamptz NOT NULL
        );
        CREATE INDEX user_subscriptions_user_id_idx ON user_subscriptions (user_id);
    """)
