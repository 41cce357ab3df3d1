"""Invoices as rows: whatever Stripe last said of each, so that listing them asks nobody."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.billing import repository_history
from services.billing.models import Payment
from services.billing.models_history import Invoice
from services.billing.stripe_objects import InvoiceSnapshot, moment
from shared.database import WriteSession
from shared.ids import new_id


async def keep_invoice(
    session: WriteSession, snapshot: InvoiceSnapshot, user_id: UUID, payment: Payment, *, now: datetime
) -> None:
    """Keep an invoice as it is now. The caller holds the lock under which it was fetched."""
    row = await repository_history.find_invoice_by_stripe_id(session, snapshot.id)
    if row is None:
        row = Invoice(id=new_id(), user_id=user_id, stripe_invoice_id=snapshot.id, created_at=now)
        session.add(row)
    row.payment_id, row.updated_at = payment.id, now
    row.number, row.status, row.billing_reason = snapshot.number, snapshot.status or "draft", snapshot.billing_reason
    row.currency, row.total, row.amount_due = snapshot.currency, snapshot.total, snapshot.amount_due
    row.amount_paid, row.amount_tax, row.amount_discount = snapshot.amount_paid, snapshot.tax, snapshot.discount
    row.hosted_url, row.pdf_url = snapshot.hosted_invoice_url, snapshot.invoice_pdf
    row.issued_at = moment(snapshot.status_transitions.finalized_at or snapshot.created) or now
    row.paid_at, row.lines = moment(snapshot.status_transitions.paid_at), _lines(snapshot)


def _lines(snapshot: InvoiceSnapshot) -> list[dict[str, Any]]:
    """What each amount is for. A negative one gives back what was paid for and not used."""
    return [
        {
            "description": line.description,
            "amount": line.amount,
            "period_start": _stamp(line.period.start),
            "period_end": _stamp(line.period.end),
            "proration": line.is_proration,
        }
        for line in snapshot.lines.data
    ]


def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
