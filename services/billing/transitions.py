"""Which moves money may make. It only moves forward: what is not in `MOVES` is recorded as ignored, never applied.

A payment's FAILED is no end, since a checkout and dunning try the same invoice again. One that was given up can still
be paid: then money was taken, and it is delivered or refunded, never overlooked. A refund that succeeded can still
fail, since a bank may send it back. A subscription that has ended stays ended, whatever arrives late.
"""

Moves = frozenset[tuple[str, str]]


def _from(before: str, *after: str) -> set[tuple[str, str]]:
    return {(before, status) for status in after}


PAYMENT_MOVES: Moves = frozenset(
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

_WITH_ACCESS = ("trialing", "active", "past_due")
_ON_HOLD = ("paused", "suspended")
SUBSCRIPTION_MOVES: Moves = frozenset(
    {
        *_from("incomplete", *_WITH_ACCESS, *_ON_HOLD, "ended"),
        *(move for status in _WITH_ACCESS for move in _from(status, *_WITH_ACCESS, *_ON_HOLD, "ended")),
        *(move for status in _ON_HOLD for move in _from(status, *_WITH_ACCESS, *_ON_HOLD, "ended")),
    }
)

REFUND_MOVES: Moves = frozenset(
    {
        *_from("requested", "pending", "requires_action", "succeeded", "failed", "canceled"),
        *_from("pending", "requires_action", "succeeded", "failed", "canceled"),
        *_from("requires_action", "pending", "succeeded", "failed", "canceled"),
        *_from("succeeded", "failed", "canceled"),
    }
)

_DISPUTE_DECISIONS = ("won", "lost", "warning_closed", "prevented")
_INQUIRY = ("warning_needs_response", "warning_under_review")
DISPUTE_MOVES: Moves = frozenset(
    {
        *(move for status in _INQUIRY for move in _from(status, *_INQUIRY, "needs_response", *_DISPUTE_DECISIONS)),
        *_from("needs_response", "under_review", *_DISPUTE_DECISIONS),
        *_from("under_review", "needs_response", *_DISPUTE_DECISIONS),
    }
)

MOVES: dict[str, Moves] = {
    "payment": PAYMENT_MOVES,
    "subscription": SUBSCRIPTION_MOVES,
    "refund": REFUND_MOVES,
    "dispute": DISPUTE_MOVES,
}

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

# A charge whose money the bank holds or took back pays for nothing.
FREEZING_DISPUTES = frozenset({"needs_response", "under_review", "lost"})


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
