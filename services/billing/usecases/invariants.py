"""What must be true of the books at any moment. Each rule finds the rows that break it; there must be none.

The database itself refuses two live subscriptions of one user and a refund above the payment; these rules are for what
no constraint can say. 14 days are longer than any bank debit takes, 3 days longer than Stripe needs to renew.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from shared.database import ReadSession

_RULES = {
    "paid_without_access": """
        SELECT s.id::text FROM subscriptions s JOIN billing_customers c USING (user_id)
         WHERE s.status IN ('active', 'trialing') AND c.entitlement->>'plan_id' IS DISTINCT FROM s.plan_id
           AND (s.paused_from IS NULL OR s.paused_from > :now)
           AND NOT EXISTS (SELECT FROM payments p WHERE p.stripe_subscription_id = s.stripe_subscription_id
                                                    AND p.dispute_state IN ('needs_response', 'under_review', 'lost'))
    """,
    "plan_change_stuck": """
        SELECT id::text FROM plan_changes WHERE status = 'begun' AND updated_at < :now - interval '1 day'
    """,
    "charged_otherwise_than_offered": """
        SELECT c.id::text FROM plan_changes c JOIN subscriptions s ON s.id = c.subscription_id
          JOIN payments p ON p.stripe_subscription_id = s.stripe_subscription_id AND p.prorated_at = c.proration_date
         WHERE c.status = 'done' AND c.amount_due > 0 AND p.amount <> c.amount_due
    """,
    "access_without_subscription": """
        SELECT c.user_id::text FROM billing_customers c
         WHERE c.entitlement->>'plan_id' <> 'free'
           AND NOT EXISTS (SELECT FROM subscriptions s WHERE s.user_id = c.user_id
                                                         AND s.status IN ('active', 'trialing', 'past_due'))
    """,
    "refunds_do_not_add_up": """
        SELECT p.id::text FROM payments p LEFT JOIN refunds r ON r.payment_id = p.id AND r.status = 'succeeded'
         GROUP BY p.id HAVING p.amount_refunded <> coalesce(sum(r.amount), 0)
    """,
    "status_contradicts_refunds": """
        SELECT id::text FROM payments
         WHERE status = 'PAID' AND amount_refunded > 0
            OR status = 'PARTIALLY_REFUNDED' AND amount_refunded NOT BETWEEN 1 AND amount - 1
            OR status = 'REFUNDED' AND amount_refunded < amount
    """,
    "paid_without_a_moment": """
        SELECT id::text FROM payments
         WHERE (status IN ('PAID', 'PARTIALLY_REFUNDED', 'REFUNDED')) <> (paid_at IS NOT NULL)
    """,
    "pack_paid_without_grant": """
        SELECT p.id::text FROM payments p WHERE p.kind = 'one_time' AND p.paid_at IS NOT NULL
           AND NOT EXISTS (SELECT FROM grants g WHERE g.payment_id = p.id)
    """,
    "grant_without_payment": """
        SELECT g.id::text FROM grants g JOIN payments p ON p.id = g.payment_id
         WHERE p.kind <> 'one_time' OR p.paid_at IS NULL
    """,
    "grant_above_its_money": """
        SELECT g.id::text FROM grants g JOIN payments p ON p.id = g.payment_id
         WHERE (g.amount - g.taken_back) * p.amount > g.amount * (p.amount - p.amount_refunded)
            OR p.dispute_state IN ('needs_response', 'under_review', 'lost') AND NOT g.is_frozen
    """,
    "grant_expired_but_promised": """
        SELECT DISTINCT c.user_id::text FROM billing_customers c
         CROSS JOIN jsonb_to_recordset(c.entitlement->'grants') AS g (expires_at timestamptz)
         WHERE g.expires_at < :now - interval '1 hour'
    """,
    "payment_stuck": """
        SELECT id::text FROM payments WHERE status = 'PROCESSING' AND updated_at < :now - interval '14 days'
    """,
    "renewal_missing": """
        SELECT id::text FROM subscriptions
         WHERE status IN ('active', 'trialing') AND period_end < :now - interval '3 days'
    """,
    "webhook_dead": "SELECT id::text FROM webhook_events WHERE status = 'DEAD'",
}
_QUERIES = {name: text(query) for name, query in _RULES.items()}


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    object_id: str


async def find_violations(session: ReadSession, *, now: datetime, limit: int = 100) -> list[Violation]:
    """Every broken rule with the rows that break it, at most `limit` of each."""
    found = []
    for name, query in _QUERIES.items():
        rows = await session.scalars(query, {"now": now} if ":now" in _RULES[name] else {})
        found += [Violation(name, str(object_id)) for object_id in rows.all()[:limit]]
    return found
