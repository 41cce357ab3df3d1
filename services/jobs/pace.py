"""How fast the lanes are: live slots, what recent jobs of a tool took, and how long a failed one waits."""

import time
from dataclasses import dataclass

from shared.database import Database

KEPT_SECONDS = 5
SAMPLE = 200

_PACE = """
    SELECT (SELECT COALESCE(sum((slots ->> %(lane)s)::int), 0) FROM workers
             WHERE seen_at > now() - interval '1 minute' AND draining_at IS NULL) AS slots,
           percentile_cont(0.25) WITHIN GROUP (ORDER BY run_seconds) AS quick,
           percentile_cont(0.9) WITHIN GROUP (ORDER BY run_seconds) AS slow
      FROM (SELECT run_seconds FROM job_attempts WHERE tool = %(tool)s AND outcome = 'COMPLETED'
             ORDER BY ended_at DESC LIMIT %(sample)s) recent
"""


LONGEST_BACKOFF_SECONDS = 300.0


def backoff_seconds(base: float, attempt: int) -> float:
    """How long a failed attempt waits for the next, before jitter: doubled each time, at most five minutes."""
    return min(LONGEST_BACKOFF_SECONDS, base * 2.0 ** min(attempt - 1, 16))


@dataclass(frozen=True, slots=True)
class Pace:
    """`quick` and `slow` are the lower quartile and the ninth decile of the tool's seconds."""

    slots: int
    quick: float
    slow: float


class Paces:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, str], tuple[float, Pace]] = {}

    async def of(self, lane: str, tool: str) -> Pace:
        """The pace of a tool in its lane; a tool that never ran is taken for one of about a second."""
        known = self._known.get((lane, tool))
        if known and time.monotonic() - known[0] < KEPT_SECONDS:
            return known[1]
        async with self._database.pool.connection() as connection:
            values = {"lane": lane, "tool": tool, "sample": SAMPLE}
            row = await (await connection.execute(_PACE, values)).fetchone()
        assert row is not None
        pace = Pace(int(row["slots"]), float(row["quick"] or 0.5), float(row["slow"] or 2.0))
        self._known[lane, tool] = (time.monotonic(), pace)
        return pace
