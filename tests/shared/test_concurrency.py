"""Several things at once."""

import asyncio

import pytest

from shared.concurrency import run_at_once


async def test_no_more_run_at_once_than_allowed_and_all_run_in_order():
    running, most, begun = 0, 0, []

    def task(number):
        async def run():
            nonlocal running, most
            begun.append(number)
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1

        return run

    await run_at_once((task(number) for number in range(10)), 3)
    assert (most, begun) == (3, list(range(10)))


async def test_the_first_failure_is_raised_as_it_is_and_ends_the_others():
    ended = []

    async def wait():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("waiting")

    async def fail():
        raise LookupError("first")

    async def never():
        ended.append("never")

    with pytest.raises(LookupError, match="first"):
        await run_at_once([wait, fail, never], 2)
    assert ended == ["waiting"]
