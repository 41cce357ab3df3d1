"""From what came over HTTP to what the use cases take."""

import random

from services.jobs.schemas import MAX_SEED, JobRequest
from services.jobs.usecases import Order


def order_of(family: str, body: JobRequest) -> Order:
    return Order(
        family=family,
        tool=body.tool,
        prompt=body.prompt,
        options=body.options,
        input_files=tuple(body.input_files),
        priority=body.priority,
        run_at=body.run_at,
        start_deadline_seconds=body.start_deadline_seconds,
        seed=random.randint(0, MAX_SEED) if body.seed is None else body.seed,  # noqa: S311 - a seed, not a secret
        metadata=body.metadata,
        engine=body.engine,
    )
