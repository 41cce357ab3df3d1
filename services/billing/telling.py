"""The timeline in words: each fact as a sentence, each payment with the lines of its invoice."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from services.billing import repository_history
from services.billing.catalogue import PACKS, PLANS
from services.billing.models import Payment
from services.billing.models_history import Invoice, TimelineEntry
from services.billing.schemas_history import InvoiceLineRead, TimelineItem
from shared.database import ReadSession
from shared.money import written

Facts = dict[str, Any]

_REASON_OF_PAYMENT = {
    "one_time": "bought once",
    "subscription_create": "the start of the subscription",
    "subscription_cycle": "the renewal of the subscription",
    "subscription_update": "a change of the subscription, with what was not used of the old plan taken off",
}
SENTENCES: dict[str, Callable[[Facts], str]] = {
    "checkout.opened": lambda f: f"A checkout for {f['product']} was opened. Opening one charges nothing.",
    "checkout.expired": lambda f: f"The checkout for {f['product']} expired; nothing was charged.",
    "checkout.failed": lambda f: f"The checkout for {f['product']} could not be opened; nothing was charged.",
    "payment.paid": lambda f: f"{f['money']} was paid for {f['product']}: {_why(f)}.",
    "payment.failed": lambda f: (
        f"Attempt {f['attempt']} to collect {f['money']} for {f['product']} failed"
        f" ({f['code'] or 'no reason given'}). {_next_attempt(f)}"
    ),
    "payment.refunded": lambda f: f"{f['money']} of the payment for {f['product']} went back to you.",
    "payment.refund_reverted": lambda f: f"A refund of {f['money']} for {f['product']} did not arrive and was undone.",
    "payment.disputed": lambda f: f"The payment for {f['product']} was disputed; {f['money']} is held by the bank.",
    "payment.dispute_closed": lambda f: f"The dispute about {f['product']} ended: {f['outcome']}.",
    "subscription.activated": lambda f: f"{f['product']} began.",
    "subscription.renewed": lambda f: f"{f['product']} was renewed until {_day(f['period_end'])}.",
    "subscription.plan_changed": lambda f: f"The plan changed from {_name(f['previous_plan_id'])} to {f['product']}.",
    "subscription.past_due": lambda f: f"{f['product']} is past due: its renewal could not be collected.",
    "subscription.recovered": lambda f: f"{f['product']} was paid after all.",
    "subscription.paused": lambda f: f"{f['product']} was paused.",
    "subscription.resumed": lambda f: f"{f['product']} goes on.",
    "subscription.cancel_scheduled": lambda f: f"{f['product']} will end on {_day(f['cancel_at'])}.",
    "subscription.cancel_undone": lambda f: f"{f['product']} will not end after all.",
    "subscription.trial_ending": lambda f: f"The trial of {f['product']} ends soon; the first payment follows.",
    "subscription.ended": lambda f: f"{f['product']} ended; it is not charged any more.",
    "grant.given": lambda f: f"{f['units']} {_metric(f)} were added{_until(f)}.",
    "grant.taken_back": lambda f: f"{f['units']} {_metric(f)} were taken back with the money for them.",
    "grant.given_back": lambda f: f"{f['units']} {_metric(f)} were given back with the money for them.",
    "grant.expired": lambda f: f"What was left of the extra {_metric(f)} expired.",
}


async def tell_all(session: ReadSession, entries: Sequence[TimelineEntry]) -> list[TimelineItem]:
    """The entries as users read them."""
    ids = sorted({entry.payment_id for entry in entries if entry.payment_id})
    payments: dict[UUID | None, Payment] = {
        row.id: row for row in await repository_history.list_payments_by_id(session, ids)
    }
    invoices = {row.payment_id: row for row in await repository_history.list_invoices_of_payments(session, ids)}
    return [_tell(entry, payments.get(entry.payment_id), invoices.get(entry.payment_id)) for entry in entries]


def _tell(entry: TimelineEntry, payment: Payment | None, invoice: Invoice | None) -> TimelineItem:
    amount, currency = entry.amount, entry.currency
    if entry.kind == "payment.failed" and payment is not None:
        amount, currency = payment.amount, payment.currency
    asked = invoice if entry.kind in {"payment.paid", "payment.failed"} else None
    return TimelineItem(
        id=entry.id,
        at=entry.at,
        kind=entry.kind,
        summary=_summary(entry, payment, amount, currency),
        payment_id=entry.payment_id,
        amount=amount,
        currency=currency,
        lines=[InvoiceLineRead.model_validate(line) for line in asked.lines] if asked else [],
        invoice_number=asked.number if asked else None,
        pdf_url=asked.pdf_url if asked else None,
        details=entry.details,
    )


def _summary(entry: TimelineEntry, payment: Payment | None, amount: int | None, currency: str | None) -> str:
    product = payment.plan_name if payment else _name(entry.details.get("plan_id"))
    money = written(amount, currency) if amount is not None and currency else ""
    facts = {**entry.details, "product": product, "money": money}
    return SENTENCES[entry.kind](facts)


def _why(facts: Facts) -> str:
    return _REASON_OF_PAYMENT.get(facts["kind"], "a charge")


def _next_attempt(facts: Facts) -> str:
    planned = facts["next_attempt_at"]
    return f"The next attempt is on {_day(planned)}." if planned else "No further attempt is planned."


def _name(product_id: str | None) -> str:
    product = PLANS.get(product_id or "") or PACKS.get(product_id or "")
    return product.name if product else "another plan"


def _metric(facts: Facts) -> str:
    return str(facts["metric"]).replace("_", " ")


def _until(facts: Facts) -> str:
    return f", to be used until {_day(facts['expires_at'])}" if facts["expires_at"] else ""


def _day(stamp: str | None) -> str:
    return (stamp or "")[:10]
