"""Ending tasks for good."""

import asyncio
from collections.abc import Iterable
from typing import Any

from shared.logging import get_logger

INSIST_SECONDS = 1

log = get_logger(__name__)


async def end(tasks: Iterable[asyncio.Task[Any]], *, patience: float = 0) -> None:
    """Give tasks `patience` seconds to end by themselves, then cancel them until they have.

    Once is not enough: `asyncio.wait_for` of Python 3.11, which psycopg uses, forgets a cancellation that comes with
    its result, and a task that loops would then never end.
    """
    waiting = set(tasks)
    while waiting:
        done, waiting = await asyncio.wait(waiting, timeout=patience)
        for task in waiting:
            task.cancel()
        for task in done:
            if not task.cancelled() and task.exception():
                log.error("task_failed", task=task.get_name(), error=repr(task.exception()))
        patience = INSIST_SECONDS
