"""Rate limits by GCRA in one upsert on an UNLOGGED table: exact under concurrency, counted once, no reset job.

Losing the table in a crash only forgives what was used; that is why it need not be logged.
"""

import math
from dataclasses import dataclass

from psycopg import AsyncConnection

from shared.errors import RateLimited

# `tat` is the theoretical arrival time. A hit passes when it lies at most `burst` intervals ahead of now.
_HIT = """
    INSERT INTO rate_limits AS r (key, tat) VALUES (%(key)s, clock_timestamp() + %(interval)s * interval '1 second')
    ON CONFLICT (key) DO UPDATE
       SET tat = GREATEST(r.tat, clock_timestamp()) + %(interval)s * interval '1 second'
     WHERE GREATEST(r.tat, clock_timestamp()) + %(interval)s * interval '1 second'
           <= clock_timestamp() + %(window)s * interval '1 second'
    RETURNING extract(epoch FROM r.tat - clock_timestamp()) AS ahead
"""
_WAIT = "SELECT extract(epoch FROM tat - clock_timestamp()) AS ahead FROM rate_limits WHERE key = %(key)s"


@dataclass(frozen=True, slots=True)
class Rule:
    """At most `limit` hits in any `seconds`, evenly refilled; a burst of `limit` is allowed at once."""

    limit: int
    seconds: int

    @property
    def interval(self) -> float:
        return self.seconds / self.limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """`retry_after` is in whole seconds, 0 when the hit passed."""

    allowed: bool
    remaining: int
    retry_after: int


async def hit(connection: AsyncConnection[dict[str, object]], key: str, rule: Rule) -> Verdict:
    """Count one hit on an autocommit connection (rows as dicts)."""
    values = {"key": key, "interval": rule.interval, "window": float(rule.seconds)}
    row = await (await connection.execute(_HIT, values)).fetchone()
    if row is not None:
        remaining = int((rule.seconds - float(str(row["ahead"]))) / rule.interval + 1e-6)
        return Verdict(allowed=True, remaining=max(0, remaining), retry_after=0)
    row = await (await connection.execute(_WAIT, values)).fetchone()
    ahead = float(str(row["ahead"])) if row else 0.0
    return Verdict(allowed=False, remaining=0, retry_after=max(1, math.ceil(ahead + rule.interval - rule.seconds)))


async def enforce(connection: AsyncConnection[dict[str, object]], key: str, rule: Rule, detail: str) -> None:
    """Count one hit or raise RateLimited with `detail` for the user."""
    verdict = await hit(connection, key, rule)
    if not verdict.allowed:
        raise RateLimited(verdict.retry_after, detail)
