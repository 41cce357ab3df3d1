"""What was granted, every invoice as Stripe has it, and what happened to a user's money."""

from alembic import op

revision = "0005"
down_revision = "0004"

_TABLES = """
    CREATE TABLE grants (
        id UUID PRIMARY KEY,
        user_id UUID NOT NULL,
        payment_id UUID REFERENCES payments (id) ON DELETE CASCADE,
        pack_id TEXT,
        metric TEXT NOT NULL,
        amount BIGINT NOT NULL,
        taken_back BIGINT DEFAULT 0 NOT NULL,
        is_frozen BOOLEAN DEFAULT false NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        expired_at TIMESTAMP WITH TIME ZONE,
        reason TEXT,
        granted_by UUID,
        version BIGINT DEFAULT 1 NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT grants_amounts_check CHECK (amount > 0 AND taken_back BETWEEN 0 AND amount),
        CONSTRAINT grants_source_check CHECK ((payment_id IS NULL) <> (granted_by IS NULL)),
        CONSTRAINT grants_payment_key UNIQUE (payment_id, metric)
    );
    CREATE INDEX grants_user_id_idx ON grants (user_id);
    CREATE INDEX grants_due_idx ON grants (expires_at) WHERE expired_at IS NULL;

    CREATE TABLE invoices (
        id UUID PRIMARY KEY,
        user_id UUID NOT NULL,
        stripe_invoice_id TEXT NOT NULL,
        payment_id UUID REFERENCES payments (id) ON DELETE SET NULL,
        number TEXT,
        status TEXT NOT NULL,
        billing_reason TEXT,
        currency TEXT NOT NULL,
        total BIGINT NOT NULL,
        amount_due BIGINT NOT NULL,
        amount_paid BIGINT NOT NULL,
        amount_tax BIGINT NOT NULL,
        amount_discount BIGINT NOT NULL,
        lines JSONB NOT NULL,
        hosted_url TEXT,
        pdf_url TEXT,
        issued_at TIMESTAMP WITH TIME ZONE NOT NULL,
        paid_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL,
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
        CONSTRAINT invoices_stripe_invoice_id_key UNIQUE (stripe_invoice_id)
    );
    CREATE INDEX invoices_user_id_issued_at_idx ON invoices (user_id, issued_at, id);
    CREATE INDEX invoices_payment_id_idx ON invoices (payment_id);

    CREATE TABLE timeline_entries (
        id UUID PRIMARY KEY,
        user_id UUID NOT NULL,
        at TIMESTAMP WITH TIME ZONE NOT NULL,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        sequence BIGINT NOT NULL,
        payment_id UUID,
        amount BIGINT,
        currency TEXT,
        details JSONB NOT NULL,
        CONSTRAINT timeline_entries_fact_key UNIQUE (kind, subject, sequence)
    );
    CREATE INDEX timeline_entries_user_id_at_idx ON timeline_entries (user_id, at, id);

    ALTER TABLE checkouts ALTER COLUMN interval DROP NOT NULL;
"""


def upgrade() -> None:
    op.execute(_TABLES)
