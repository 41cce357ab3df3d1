import asyncio

from shared.ending import end


async def test_a_task_that_swallows_a_cancellation_is_cancelled_again():
    swallowed = []

    async def stubborn():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append(True)

    task = asyncio.create_task(stubborn())
    async with asyncio.timeout(5):
        await end([task])
    assert task.cancelled()
    assert swallowed


async def test_a_task_may_finish_in_its_own_time():
    task = asyncio.create_task(asyncio.sleep(0.05))
    await end([task], patience=5)
    assert not task.cancelled()


async def test_a_task_that_failed_ends_quietly():
    async def fail():
        raise RuntimeError("late")

    await end([asyncio.create_task(fail())], patience=1)
