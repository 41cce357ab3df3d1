"""Changes of plan, pauses, trials, and each attempt to collect."""

from alembic import op

revision = "0004"
down_revision = "0003"

_PLAN_CHANGES = """
    CREATE TABLE plan_changes (
        id UUID PRIMARY KEY,
        user_id UUID NOT NULL,
        subscription_id UUID NOT NULL REFERENCES subscriptions (id) ON DELETE CASCADE,
        subscription_version BIGINT NOT NULL,
        plan_id TEXT NOT NULL,
        interval TEXT NOT NULL,
        kind TEXT NOT NULL,
        status TEXT NOT NULL,
        proration_date TIMESTAMP WITH TIME ZONE NOT NULL,
        amount_due BIGINT NOT NULL,
        request_key TEXT,
        error TEXT,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT plan_changes_kind_check CHECK (kind IN ('now', 'period_end', 'in_trial', 'stay')),
        CONSTRAINT plan_changes_status_check CHECK (status IN ('offered', 'begun', 'done', 'failed')),
        CONSTRAINT plan_changes_request_key UNIQUE (user_id, request_key)
    )
"""
_ATTEMPTS = """
    CREATE TABLE payment_attempts (
        payment_id UUID NOT NULL REFERENCES payments (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        outcome TEXT NOT NULL,
        code TEXT,
        next_attempt_at TIMESTAMP WITH TIME ZONE,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        PRIMARY KEY (payment_id, number)
    )
"""
_TRIALS = """
    CREATE TABLE trials (
        person TEXT PRIMARY KEY,
        user_id UUID NOT NULL,
        checkout_id UUID NOT NULL,
        started_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL
    )
"""
_COLUMNS = {
    "billing_customers": ("email_fingerprint TEXT",),
    "checkouts": ("trial_days INTEGER DEFAULT 0 NOT NULL",),
    "payments": ("previous_plan_id TEXT", "prorated_at TIMESTAMP WITH TIME ZONE", "hosted_url TEXT"),
    "subscriptions": (
        "stripe_schedule_id TEXT",
        "next_plan_id TEXT",
        "next_interval TEXT",
        "next_plan_at TIMESTAMP WITH TIME ZONE",
        "paused_from TIMESTAMP WITH TIME ZONE",
        "trial_warned_for TIMESTAMP WITH TIME ZONE",
    ),
}


def upgrade() -> None:
    for table in (_PLAN_CHANGES, _ATTEMPTS, _TRIALS):
        op.execute(table)
    op.execute(
        "CREATE UNIQUE INDEX plan_changes_one_begun_key ON plan_changes (subscription_id) WHERE status = 'begun'"
    )
    op.execute("CREATE INDEX plan_changes_subscription_id_idx ON plan_changes (subscription_id, created_at)")
    op.execute("CREATE INDEX trials_checkout_id_idx ON trials (checkout_id)")
    for table, columns in _COLUMNS.items():
        for column in columns:
            op.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
