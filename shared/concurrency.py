"""Doing several things at once, but not all of them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

Task = Callable[[], Awaitable[object]]


async def run_at_once(tasks: Iterable[Task], limit: int) -> None:
    """Run each, at most `limit` at a time, beginning in the given order.

    The first failure cancels what runs, begins nothing further, and is raised as it is.
    """
    waiting = iter(tasks)

    async def work() -> None:
        for task in waiting:
            await task()

    try:
        async with asyncio.TaskGroup() as working:
            for _ in range(limit):
                working.create_task(work())
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
