"""What affiliates have earned, and the proof that the stored sums are the ledger's."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from shared.database import ReadSession, WriteSession


@dataclass(frozen=True, slots=True)
class BalanceNow:
    """Minor units. `available` may be negative: a refund after payout is taken from later commissions."""

    currency: str
    pending: int
    available: int
    paid: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored sum (`what` names it) that is not what the ledger says."""

    what: str
    key: str
    stored: int
    ledger: int


_BALANCE = text("""
    SELECT coalesce(sum(e.delta) FILTER (WHERE p.status IS NULL AND NOT ripe), 0)::bigint AS pending,
           coalesce(sum(e.delta) FILTER (WHERE p.status IS NULL AND ripe), 0)::bigint AS available,
           coalesce(sum(e.delta) FILTER (WHERE p.status = 'paid'), 0)::bigint AS paid
      FROM (SELECT id, available_at <= :now AND NOT held AS ripe
              FROM commissions WHERE affiliate_id = :affiliate_id AND currency = :currency) c
      JOIN commission_entries e ON e.commission_id = c.id
      LEFT JOIN (payout_entries pe JOIN payouts p ON p.id = pe.payout_id AND p.status <> 'failed') ON pe.entry_id = e.id
""")

_DIFFERENCES = text("""
    SELECT 'commission' AS what, c.id::text AS key, c.amount AS stored,
           coalesce((SELECT sum(delta) FROM commission_entries WHERE commission_id = c.id), 0)::bigint AS ledger
      FROM commissions c
    UNION ALL
    SELECT 'referral', r.id::text, r.commission,
           coalesce((SELECT sum(e.delta) FROM commission_entries e JOIN commissions c ON c.id = e.commission_id
                      WHERE c.referral_id = r.id), 0)::bigint
      FROM affiliate_referrals r
    UNION ALL
    SELECT 'balance', s.affiliate_id || ' ' || s.currency, coalesce(b.amount, 0), coalesce(l.amount, 0)::bigint
      FROM (SELECT affiliate_id, currency FROM affiliate_balances
            UNION SELECT affiliate_id, currency FROM commissions) s
      LEFT JOIN affiliate_balances b USING (affiliate_id, currency)
      LEFT JOIN (SELECT c.affiliate_id, c.currency, sum(e.delta) AS amount
                   FROM commission_entries e JOIN commissions c ON c.id = e.commission_id
                  GROUP BY c.affiliate_id, c.currency) l USING (affiliate_id, currency)
""")

_REPAIRS = (
    text("""
        UPDATE commissions c SET amount = l.amount
          FROM (SELECT commission_id, sum(delta) AS amount FROM commission_entries GROUP BY commission_id) l
         WHERE l.commission_id = c.id AND c.amount <> l.amount
    """),
    text("""
        UPDATE affiliate_referrals r SET commission = l.amount
          FROM (SELECT referral_id, sum(amount) AS amount FROM commissions GROUP BY referral_id) l
         WHERE l.referral_id = r.id AND r.commission <> l.amount
    """),
    text("""
        INSERT INTO affiliate_balances (affiliate_id, currency, amount)
        SELECT affiliate_id, currency, sum(amount) FROM commissions GROUP BY affiliate_id, currency
        ON CONFLICT (affiliate_id, currency) DO UPDATE SET amount = excluded.amount
    """),
)


async def read_balance(session: ReadSession, affiliate_id: UUID, currency: str, now: datetime) -> BalanceNow:
    values = {"affiliate_id": affiliate_id, "currency": currency, "now": now}
    row = (await session.execute(_BALANCE, values)).one()
    return BalanceNow(currency, row.pending, row.available, row.paid)


async def find_differences(session: ReadSession) -> list[Difference]:
    """Stored sums that are not the ledger's. There should be none, whatever happened."""
    rows = (await session.execute(_DIFFERENCES)).all()
    return [Difference(*row) for row in rows if row.stored != row.ledger]


async def rebuild_balances(session: WriteSession) -> list[Difference]:
    """Set every stored sum to what the ledger says; returns what differed. The ledger stands still meanwhile."""
    await session.execute(text("LOCK TABLE commission_entries IN SHARE MODE"))
    differences = await find_differences(session)
    for repair in _REPAIRS if differences else ():
        await session.execute(repair)
    return differences
