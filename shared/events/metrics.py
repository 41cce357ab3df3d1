"""Metrics of the bus. Alerts belong on the oldest age: a count says little, a waiting event says all."""

from prometheus_client import Counter, Gauge, Histogram

from shared.database import Database

HANDLER_SECONDS = Histogram("bus_handler_seconds", "Time a handler's transaction took.", ("consumer",))
OUTCOMES = Counter("bus_events_total", "How handled events ended.", ("consumer", "outcome"))
OUTBOX_OLDEST = Gauge("outbox_oldest_seconds", "Age of the oldest event not yet sent.", ("service",))
OUTBOX_PENDING = Gauge("outbox_pending", "Events not yet sent.", ("service",))
INBOX_OLDEST = Gauge("inbox_oldest_seconds", "Age of the oldest event not yet handled.", ("service", "consumer"))
INBOX_PARKED = Gauge("inbox_parked", "Events parked for a person to look at.", ("service", "consumer"))
BLOCKED = Gauge("bus_blocked_subjects", "Subjects whose events wait behind a parked one.", ("service",))

_OUTBOX = """
    SELECT count(*) AS pending, coalesce(extract(epoch FROM clock_timestamp() - min(occurred_at)), 0) AS oldest
      FROM outbox WHERE published_at IS NULL AND parked_at IS NULL
"""
_INBOX = """
    SELECT consumer, count(*) FILTER (WHERE status = 2) AS parked,
           coalesce(extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 0)), 0) AS oldest
      FROM inbox WHERE status IN (0, 2) GROUP BY consumer
"""
_BLOCKED = """
    SELECT count(DISTINCT (p.consumer, p.subject)) AS blocked FROM inbox p
     WHERE p.status = 2 AND EXISTS (SELECT 1 FROM inbox w WHERE w.consumer = p.consumer AND w.subject = p.subject
                                      AND w.status = 0 AND w.seq > p.seq)
"""


async def measure(database: Database, service: str) -> None:
    """Bring the gauges up to date; called when metrics are scraped."""
    async with database.pool.connection() as connection:
        outbox = await (await connection.execute(_OUTBOX)).fetchone()
        inbox = await (await connection.execute(_INBOX)).fetchall()
        blocked = await (await connection.execute(_BLOCKED)).fetchone()
    if outbox and blocked:
        OUTBOX_PENDING.labels(service).set(outbox["pending"])
        OUTBOX_OLDEST.labels(service).set(float(outbox["oldest"]))
        BLOCKED.labels(service).set(blocked["blocked"])
    for row in inbox:
        INBOX_PARKED.labels(service, row["consumer"]).set(row["parked"])
        INBOX_OLDEST.labels(service, row["consumer"]).set(float(row["oldest"]))
