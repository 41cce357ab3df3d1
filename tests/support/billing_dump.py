"""What is true of a customer, without ids and moments: two histories that mean the same give the same dump."""

from typing import Any
from uuid import UUID

from tests.support.billing import Shop

# Facts that are told once whatever happens on the way. Others (a failed attempt, a passing past_due) may be skipped by
# a history that never saw them.
TOLD_ONCE = (
    "payment.paid",
    "payment.dispute_closed",
    "subscription.activated",
    "subscription.renewed",
    "subscription.ended",
    "user.stripe_customer_bound",
)

_PAYMENTS = """
    SELECT kind, plan_id, plan_name, status, amount, amount_tax, amount_discount, amount_refunded, currency,
           billing_cycle, dispute_state, paid_at IS NOT NULL AS paid,
           stripe_payment_intent_id IS NOT NULL AS has_intent,
           stripe_subscription_id IS NOT NULL AS has_subscription, stripe_session_id IS NOT NULL AS has_session
      FROM payments WHERE user_id = %(user)s ORDER BY kind, amount, status
"""
_SUBSCRIPTIONS = """
    SELECT plan_id, interval, status, raw_status, period_start, period_end, cancel_at, started_at,
           ended_at IS NOT NULL AS has_ended, past_due_since IS NOT NULL AS past_due
      FROM subscriptions WHERE user_id = %(user)s ORDER BY started_at
"""
_REFUNDS = """
    SELECT r.amount, r.status, r.stripe_refund_id IS NOT NULL AS asked
      FROM refunds r JOIN payments p ON p.id = r.payment_id
     WHERE p.user_id = %(user)s ORDER BY r.amount, r.status
"""
_DISPUTES = """
    SELECT d.amount, d.state, d.outcome FROM disputes d JOIN payments p ON p.id = d.payment_id
     WHERE p.user_id = %(user)s ORDER BY d.amount
"""
_CHECKOUTS = "SELECT plan_id, interval, status FROM checkouts WHERE user_id = %(user)s ORDER BY created_at"
_GRANTS = """
    SELECT pack_id, metric, amount, taken_back, is_frozen, expires_at FROM grants
     WHERE user_id = %(user)s ORDER BY metric, amount, taken_back
"""
_TOLD = """
    SELECT type, count(*) AS times FROM outbox
     WHERE envelope->'data'->>'user_id' = %(user)s::text AND type = ANY(%(types)s) GROUP BY type ORDER BY type
"""
# What commissions and limits are computed from is the last word about each payment, and about the user.
_LAST_WORDS = """
    SELECT DISTINCT ON (subject) envelope->'data'->>'amount_refunded_total' AS refunded,
           envelope->'data'->>'amount_net_remaining' AS net
      FROM outbox WHERE envelope->'data'->>'user_id' = %(user)s::text
       AND type IN ('payment.refunded', 'payment.refund_reverted') ORDER BY subject, sequence DESC
"""


async def dump_of(shop: Shop, user: UUID) -> dict[str, Any]:
    """Everything of the user that must not depend on order, number or loss of webhooks, nor on crashes."""
    entitlement = await shop.entitlement(user)
    told = await shop.svc.published("entitlement.changed")
    last = [event["data"] for event in told if event["data"]["user_id"] == str(user)][-1]
    parts = {
        "payments": _PAYMENTS,
        "subscriptions": _SUBSCRIPTIONS,
        "refunds": _REFUNDS,
        "disputes": _DISPUTES,
        "checkouts": _CHECKOUTS,
        "grants": _GRANTS,
        "last_words": _LAST_WORDS,
    }
    dump = {name: await shop.svc.rows(query, user=user) for name, query in parts.items()}
    dump["last_words"].sort(key=str)
    return {
        **dump,
        "told": await shop.svc.rows(_TOLD, user=user, types=list(TOLD_ONCE)),
        "granted": sorted((grant["metric"], grant["amount"]) for grant in entitlement["grants"]),
        "rights": (entitlement["plan_id"], entitlement["status"], entitlement["limits"]),
        "rights_told": (last["plan_id"], last["status"], last["limits"]),
    }
