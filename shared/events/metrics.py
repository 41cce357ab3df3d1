"""Metrics of the bus. Alerts belong on the oldest age: a count says little, a waiting event says all."""

from collections.abc import Sequence

from prometheus_client import Counter, Gauge, Histogram

from shared.database import Database

HANDLER_SECONDS = Histogram("bus_handler_seconds", "Time a handler took.", ("consumer",))
OUTCOMES = Counter("bus_events_total", "How handled events ended.", ("consumer", "outcome"))
ATTEMPTS = Counter("bus_attempts_total", "Attempts that did not end well, by error.", ("consumer", "class"))
INTAKE = Counter("bus_intake_total", "Events taken in, handled at once or stored for the workers.", ("service", "way"))
ID_CONFLICTS = Counter("bus_id_conflict_total", "Repeated event ids with other contents; the first won.", ("consumer",))
BROKER_DEAD = Gauge("bus_broker_dead", "Messages in the broker's dead queue that nobody could read.", ("service",))
LEADER = Gauge("relay_is_leader", "Whether this process's relay sent the last batch.", ("service",))
OUTBOX_OLDEST = Gauge("outbox_oldest_seconds", "Age of the oldest event not yet sent.", ("service",))
OUTBOX_PENDING = Gauge("outbox_pending", "Events not yet sent.", ("service",))
OUTBOX_PARKED = Gauge("outbox_parked", "Events taken out of the outbox's order by an operator.", ("service",))
INBOX_OLDEST = Gauge("inbox_oldest_seconds", "Age of the oldest event not yet handled.", ("service", "consumer"))
INBOX_PENDING = Gauge("inbox_pending", "Events not yet handled.", ("service", "consumer"))
INBOX_PARKED = Gauge("inbox_parked", "Events parked for a person to look at.", ("service", "consumer"))
BLOCKED = Gauge("bus_blocked_subjects", "Subjects whose events wait behind a parked one.", ("service",))

OUTBOX_LAG = """
    SELECT count(*) FILTER (WHERE parked_at IS NULL) AS pending,
           coalesce(extract(epoch FROM clock_timestamp() - min(created_at) FILTER (WHERE parked_at IS NULL)), 0)::float8
             AS oldest,
           count(*) FILTER (WHERE parked_at IS NOT NULL) AS parked
      FROM outbox WHERE published_at IS NULL
"""
INBOX_LAG = """
    SELECT consumer, count(*) FILTER (WHERE status = 0) AS pending, count(*) FILTER (WHERE status = 2) AS parked,
           coalesce(extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 0)), 0)::float8
             AS oldest
      FROM inbox WHERE status IN (0, 2) GROUP BY consumer ORDER BY consumer
"""
_BLOCKED = """
    SELECT count(DISTINCT (p.consumer, p.subject)) AS blocked FROM inbox p
     WHERE p.status = 2 AND EXISTS (SELECT 1 FROM inbox w WHERE w.consumer = p.consumer AND w.subject = p.subject
                                      AND w.status = 0 AND w.seq > p.seq)
"""


async def measure(database: Database, service: str, consumers: Sequence[str]) -> None:
    """Bring the gauges up to date; called when metrics are scraped."""
    async with database.pool.connection() as connection:
        outbox = await (await connection.execute(OUTBOX_LAG)).fetchone()
        inbox = await (await connection.execute(INBOX_LAG)).fetchall()
        blocked = await (await connection.execute(_BLOCKED)).fetchone()
    if outbox and blocked:
        OUTBOX_PENDING.labels(service).set(outbox["pending"])
        OUTBOX_OLDEST.labels(service).set(outbox["oldest"])
        OUTBOX_PARKED.labels(service).set(outbox["parked"])
        BLOCKED.labels(service).set(blocked["blocked"])
    # A consumer without rows has caught up, and its gauges must say so.
    caught_up = {"pending": 0, "parked": 0, "oldest": 0}
    lags = dict.fromkeys(consumers, caught_up) | {row["consumer"]: row for row in inbox}
    for consumer, lag in lags.items():
        INBOX_PENDING.labels(service, consumer).set(lag["pending"])
        INBOX_PARKED.labels(service, consumer).set(lag["parked"])
        INBOX_OLDEST.labels(service, consumer).set(lag["oldest"])
