"""Factories for the jobs service: users with plans, jobs, runners by hand and for real."""

import asyncio
import io
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from PIL import Image

from services.jobs.app import service
from services.jobs.queue import Claim, Queue
from shared.clock import SystemClock
from shared.contracts.billing import EntitlementChanged
from shared.ids import new_id
from tests.support import loopback
from tests.support.services import RunningService, running_service

LANE = "interactive"
WORK = ["memes", "images", "sleep", "slow-sleep", "crash", "fail", "flaky", "stall", "grandchild", "refuse", "mischief"]
FAST = {
    "lease_seconds": 2,
    "heartbeat_seconds": 0.5,
    "lost_after_seconds": 1.5,
    "poll_seconds": 0.5,
    "reap_seconds": 0.5,
    "kill_after_seconds": 1,
    "retry_base_seconds": 0.2,
    "drain_seconds": 5,
    "extra_tools": "tests.support.job_tools",
}


@asynccontextmanager
async def jobs_service(**settings: Any):
    """The service without a runner; tests claim by hand."""
    async with running_service(service, **settings) as running:
        yield running


@asynccontextmanager
async def jobs_with_runner(tmp_path, **settings: Any):
    """The service with a real runner and the tools of `job_tools`, on wall time and short leases."""
    values = {**FAST, "work_folder": tmp_path / "work", **settings}
    roles = frozenset({"web", "runner"})
    async with running_service(service, clock=SystemClock(), roles=roles, **values) as running:
        yield running


async def grant_plan(svc: RunningService, user_id: UUID, *, version: int = 1, **changes: Any) -> None:
    """Tell the service of a plan; generous unless `changes` say otherwise."""
    limits = {"ai_generations": 100_000, "studio_jobs": 100_000, "images": 100_000, "export_seconds": 10**6}
    values = {
        "plan_id": "viral",
        "status": "active",
        "limits": {**limits, **changes.pop("limits", {})},
        "max_running": 2,
        "weight": 1,
        "period_anchor": svc.clock.now() - timedelta(days=3),
        **changes,
    }
    await svc.receive(EntitlementChanged(user_id=user_id, version=version, **values), sequence=version)


async def order(client: httpx.AsyncClient, tool: str = "memes", *, family: str = "ai", **body: Any) -> httpx.Response:
    headers = body.pop("headers", {})
    body.setdefault("prompt", "top | bottom")
    return await client.post(f"/v1/{family}/jobs", json={"tool": tool, **body}, headers=headers)


async def ordered(client: httpx.AsyncClient, tool: str = "memes", **body: Any) -> dict[str, Any]:
    response = await order(client, tool, **body)
    assert response.status_code == 202, response.text
    return response.json()


PLACE = """
    SELECT jobs_create_v1(
      jsonb_build_object('id', gen_random_uuid(), 'user_id', %(user)s::text, 'family', 'ai', 'tool', %(tool)s::text,
        'lane', 'interactive', 'options', '{}'::jsonb, 'input_files', '[]'::jsonb, 'metadata', '{}'::jsonb,
        'provider', 'local', 'engine_version', '1', 'seed', 1, 'units_held', '{"ai_generations": 1}'::jsonb,
        'period_start', %(now)s::timestamptz, 'period_end', %(now)s::timestamptz + interval '1 month',
        'priority', 0, 'retention_days', 7, 'max_attempts', 3),
      '{"ai_generations": 1000000}', %(cost)s::real, 1, 1000, %(now)s) FROM generate_series(1, %(number)s)
"""


async def claim(svc: RunningService, **options: Any) -> Claim | None:
    found = await claim_many(svc, 1, **options)
    return found[0] if found else None


async def claim_many(
    svc: RunningService, most: int, *, worker: str = "by-hand", lease: float = 60, lane: str = LANE
) -> list[Claim]:
    return await Queue(svc.runtime.database).claim(lane, WORK, worker, lease=lease, now=svc.clock.now(), most=most)


async def claimed(svc: RunningService, **options: Any) -> Claim:
    found = await claim(svc, **options)
    assert found is not None, "nothing to claim"
    return found


async def settle(svc: RunningService, held: Claim, outcome: str = "COMPLETED", **end: Any) -> str:
    values = {"run_seconds": 1, "units": {"ai_generations": 1, "images": 1}, "files": [], "data": {}, **end}
    return await Queue(svc.runtime.database).settle(held, outcome, values, now=svc.clock.now())


async def until(client: httpx.AsyncClient, job_id: str, *statuses: str, seconds: float = 20) -> dict[str, Any]:
    """The job once it has one of the statuses (by default: once it is over)."""
    wanted = statuses or ("COMPLETED", "FAILED", "CANCELLED")
    async with asyncio.timeout(seconds):
        while True:
            job = (await client.get(f"/v1/jobs/{job_id}")).json()
            if job["status"] in wanted:
                return job
            await asyncio.sleep(0.05)


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "#3366cc").save(out, kind)
    return out.getvalue()


async def upload(client: httpx.AsyncClient, content: bytes, *, name: str = "photo.png", kind: str = "image/png") -> str:
    """Upload a file as a browser would; returns its id."""
    announced = {"filename": name, "content_type": kind, "size": len(content)}
    begun = (await client.post("/v1/uploads", json=announced)).json()
    sent = await client.put(begun["urls"][0], content=content, headers=begun["headers"])
    assert sent.status_code == 204, sent.text
    done = await client.post(f"/v1/uploads/{begun['file_id']}/complete")
    assert done.status_code == 200, done.text
    return begun["file_id"]


def someone() -> UUID:
    return new_id()


@asynccontextmanager
async def served(svc: RunningService):
    """The service on a real port, for what an in-process client can't show: streams and disconnects."""
    async with loopback.served(svc.app, loopback.listening_socket()) as url:
        yield url
