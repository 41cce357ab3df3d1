"""Which moves a payment may make. Money only moves forward: what is not in the table is recorded and ignored.

FAILED is no end, since a checkout and dunning try the same invoice again. A payment that was given up can still be
paid: then money was taken, and it is delivered or refunded, never overlooked.
"""

PAYMENT_MOVES: frozenset[tuple[str, str]] = frozenset(
    {
        ("PENDING", "PROCESSING"),
        ("PENDING", "PAID"),
        ("PENDING", "FAILED"),
        ("PENDING", "CANCELLED"),
        ("PROCESSING", "PAID"),
        ("PROCESSING", "FAILED"),
        ("PROCESSING", "CANCELLED"),
        ("FAILED", "PROCESSING"),
        ("FAILED", "PAID"),
        ("FAILED", "CANCELLED"),
        ("CANCELLED", "PAID"),
        ("PAID", "PARTIALLY_REFUNDED"),
        ("PAID", "REFUNDED"),
        ("PARTIALLY_REFUNDED", "REFUNDED"),
        ("PARTIALLY_REFUNDED", "PAID"),
        ("REFUNDED", "PARTIALLY_REFUNDED"),
        ("REFUNDED", "PAID"),
    }
)

SETTLED = frozenset({"PAID", "PARTIALLY_REFUNDED", "REFUNDED"})

# Stripe's word for a subscription and ours. A word we do not know keeps what the subscription had.
SUBSCRIPTION_STATUS = {
    "incomplete": "incomplete",
    "incomplete_expired": "ended",
    "trialing": "trialing",
    "active": "active",
    "past_due": "past_due",
    "unpaid": "suspended",
    "paused": "paused",
    "canceled": "ended",
}

REFUND_OPEN = frozenset({"requested", "pending", "requires_action"})
REFUND_DONE = "succeeded"
DISPUTE_ENDS = {
    "won": "won",
    "lost": "lost",
    "warning_closed": "inquiry_closed",
    "prevented": "prevented",
}


def dispute_state_of(status: str) -> str:
    """The payment's dispute state for Stripe's dispute status."""
    if status in DISPUTE_ENDS:
        return status if status in {"won", "lost", "prevented"} else "none"
    if status.startswith("warning_"):
        return "inquiry"
    return status


def refunded_status(amount: int, refunded: int) -> str:
    if refunded <= 0:
        return "PAID"
    return "REFUNDED" if refunded >= amount else "PARTIALLY_REFUNDED"
