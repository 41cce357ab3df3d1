"""What Prometheus sees of the queue. Alerts belong on the oldest age; a depth says little."""

from prometheus_client import Counter, Gauge, Histogram

from services.jobs import operator
from shared.runtime import Runtime

DEPTH = Gauge("jobs_queue_depth", "Jobs in the queue.", ("lane", "state"))
OLDEST = Gauge("jobs_oldest_ready_seconds", "How long the oldest job that may run has waited.", ("lane",))
PAUSED = Gauge("jobs_lane_paused", "Whether an operator has paused the lane.", ("lane",))
TENANTS = Gauge("jobs_tenants_waiting", "Users with something ready to run.", ("lane",))
SLOTS = Gauge("jobs_slots", "Jobs that live workers can run at once.", ("lane",))
WORKERS = Gauge("jobs_workers", "Workers that are registered.", ("state",))
WEBHOOKS_PENDING = Gauge("jobs_webhooks_pending", "Webhook messages not yet delivered.")
WEBHOOKS_OLDEST = Gauge("jobs_webhooks_oldest_seconds", "Age of the oldest webhook message not yet delivered.")
ATTEMPTS = Counter("jobs_attempts_total", "How attempts ended.", ("tool", "outcome"))
RUN_SECONDS = Histogram(
    "jobs_run_seconds",
    "Time from the claim of a job to its settlement.",
    ("tool",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600),
)


async def measure(runtime: Runtime) -> None:
    """Bring the gauges up to date."""
    for lane in await operator.list_lanes(runtime):
        for state in ("ready", "running", "waiting"):
            DEPTH.labels(lane["lane"], state).set(lane[state])
        OLDEST.labels(lane["lane"]).set(lane["oldest_ready_seconds"] or 0)
        PAUSED.labels(lane["lane"]).set(lane["paused_at"] is not None)
        TENANTS.labels(lane["lane"]).set(lane["tenants"])
        SLOTS.labels(lane["lane"]).set(lane["slots"])
    workers = await operator.list_workers(runtime)
    draining = sum(worker["draining_at"] is not None for worker in workers)
    WORKERS.labels("draining").set(draining)
    WORKERS.labels("claiming").set(len(workers) - draining)
    webhooks = await operator.tell_webhooks(runtime)
    WEBHOOKS_PENDING.set(webhooks["pending"])
    WEBHOOKS_OLDEST.set(webhooks["oldest_seconds"])


def record(tool: str, outcome: str, seconds: float) -> None:
    """Count an attempt that ended; `outcome` is what became of it, or LOST."""
    ATTEMPTS.labels(tool, outcome).inc()
    RUN_SECONDS.labels(tool).observe(seconds)
