"""Jobs that do nothing, worked off as fast as each queue can, beside Celery and pgqueuer."""

import asyncio
import tempfile
import time
from pathlib import Path

import psycopg
import uvloop

from bench.board import Figure
from bench.peers.environment import install, run
from bench.settings import Settings
from deploy.embedded.rabbitmq import start_rabbitmq
from shared.ids import new_id
from tests.support.jobs import PLACE, claim_many, grant_plan, jobs_service, settle
from tests.support.postgres import throwaway_server
from tests.support.services import RunningService

TENANTS, WORKERS, BATCH = 50, 8, 10


def measure(settings: Settings) -> list[Figure]:
    """Installs the peers at first."""
    install()
    what = f"drain of {settings.drain:,} jobs that do nothing, {WORKERS} workers"
    celery = Figure("J2", what, "jobs/s", f"Celery, late acks, quorum queue, {WORKERS} children", 1)
    pgqueuer = Figure("J2", what, "jobs/s", f"pgqueuer, batches of {BATCH}")
    with tempfile.TemporaryDirectory(prefix="atelier-bench-") as folder, throwaway_server(durable=True) as server:
        broker = start_rabbitmq(Path(folder) / "node")
        try:
            with psycopg.connect(server.url(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE peers")
            for _ in range(min(settings.runs, 3)):
                ours = uvloop.run(_drained(settings.drain))
                celery.add(ours, run("celery_drain.py", broker.url, str(settings.drain), str(WORKERS)))
                pgqueuer.add(ours, run("pgqueuer_drain.py", server.url("peers"), str(settings.drain), str(BATCH)))
        finally:
            broker.stop()
    return [celery, pgqueuer]


async def _drained(count: int) -> float:
    """Jobs a second that are claimed and settled, with quota and events; no child is forked for what does nothing."""
    async with jobs_service(pool_size=WORKERS) as service:
        for _ in range(TENANTS):
            user = new_id()
            await grant_plan(service, user, max_running=WORKERS * BATCH)
            values = {"user": str(user), "tool": "memes", "now": service.clock.now(), "cost": 1.0}
            await service.rows(PLACE, **values, number=count // TENANTS)
        began = time.perf_counter()
        done = sum(await asyncio.gather(*(_worker(service) for _ in range(WORKERS))))
        return done / (time.perf_counter() - began)


async def _worker(service: RunningService) -> int:
    done = 0
    while claims := await claim_many(service, BATCH):
        for held in claims:
            await settle(service, held)
        done += len(claims)
    return done
