"""The queue for runners elsewhere. A key with the scope `runner` is an administrator's to make; see accounts."""

import time
from typing import Any

from services.jobs import attached, metrics
from services.jobs.attached import Announced, Held
from services.jobs.errors import LeaseLost
from services.jobs.parts import JobsParts, Parts
from services.jobs.queue import Claim, EngineName
from services.jobs.runner.outputs import discard
from services.jobs.runner_schemas import (
    ClaimedRead,
    ClaimRequest,
    ClaimsRead,
    HeartbeatRead,
    HeartbeatRequest,
    InputRead,
    OutputRead,
    OutputRequest,
    SettleRead,
    SettleRequest,
)
from shared.identity import Caller
from shared.routing import Router, user

router = Router(tags=["runner"])

RUNNERS = user(scope="runner")
LINK_SECONDS = 3600


@router.post("/v1/runner/claim", access=RUNNERS)
async def claim_jobs(body: ClaimRequest, caller: Caller, parts: Parts) -> ClaimsRead:
    """Up to `max` jobs to work on now; none is an answer as well, and asking again in a few seconds is fine."""
    attached.check_tools(caller.runner_tools, body.tools)
    worker = attached.name_of(caller.key_id, body.worker_id)
    if not await attached.sign_in(parts, worker, body.tools, body.max):
        return ClaimsRead(jobs=[], draining=True)
    claims = await attached.claim(parts, worker, body.tools, body.max)
    return ClaimsRead(jobs=[_shown(parts, claim) for claim in claims])


def _shown(parts: JobsParts, claim: Claim) -> ClaimedRead:
    storage, expires_at = parts.runtime.storage, int(time.time()) + LINK_SECONDS
    inputs = [
        InputRead(
            file_id=entry["id"],
            url=storage.signed_url("GET", entry["key"], expires_at=expires_at),
            media=entry["media"] or {},
        )
        for entry in claim.inputs
    ]
    same = {name: getattr(claim, name) for name in ("job_id", "token", "attempt", "tool", "prompt", "options", "seed")}
    family = parts.desk.catalogue.family_of(claim.tool)
    return ClaimedRead(**same, family=family, lease_seconds=parts.settings.lease_seconds, inputs=inputs)


@router.post("/v1/runner/heartbeat", access=RUNNERS)
async def keep_lease(body: HeartbeatRequest, caller: Caller, parts: Parts) -> HeartbeatRead:
    held = await attached.find_held(parts, caller.key_id, body.job_id, body.token)
    answer: Any = await attached.heartbeat(parts, held, body.progress, body.stage) if held else "lost"
    return HeartbeatRead(answer=answer)


@router.post("/v1/runner/outputs", access=RUNNERS)
async def announce_output(body: OutputRequest, caller: Caller, parts: Parts) -> OutputRead:
    held = await attached.find_held(parts, caller.key_id, body.job_id, body.token)
    if held is None:
        raise LeaseLost
    file_id, key = await attached.announce(parts, held, Announced(body.name, body.content_type, body.size))
    url = parts.runtime.storage.signed_url("PUT", key, expires_at=int(time.time()) + LINK_SECONDS)
    return OutputRead(file_id=file_id, method="PUT", url=url)


@router.post("/v1/runner/settle", access=RUNNERS)
async def settle_job(body: SettleRequest, caller: Caller, parts: Parts) -> SettleRead:
    """End the attempt. Safe to repeat: whoever settled already, or too late, is answered LOST."""
    held = await attached.find_held(parts, caller.key_id, body.job_id, body.token)
    if held is None:
        return SettleRead(outcome="LOST")
    end = await _ending(parts, held, body)
    engine = EngineName(body.engine.provider, body.engine.version) if body.engine else None
    outcome: Any = await parts.queue.settle(held, body.outcome, end, now=parts.runtime.clock.now(), engine=engine)
    metrics.record(held.tool, outcome, end["run_seconds"])
    await attached.forget_outputs(parts, held)
    if outcome == "LOST":
        await discard(parts.runtime.storage, held.prefix)
    parts.wakeups.ring("change", "work")
    return SettleRead(outcome=outcome)


async def _ending(parts: JobsParts, held: Held, body: SettleRequest) -> dict[str, Any]:
    end = attached.measured(parts, held)
    if body.outcome == "COMPLETED":
        files = await attached.take_files(parts, held, [file.model_dump() for file in body.files])
        units = held.units_held if body.units is None else body.units
        url = f"/v1/jobs/{held.job_id}/result"
        return {**end, "files": files, "data": body.data, "units": units, "url": url}
    if body.error is not None:
        end |= {"code": body.error.code, "message": body.error.message}
    return {**end, "delay": attached.retry_delay(parts, held, body.retry_after)}
