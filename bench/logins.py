"""Logins through the accounts service, beside the bare rate of its password hash in as many threads."""

import asyncio
import os
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import argon2
import uvloop

from bench.board import Figure, percentile
from bench.settings import Settings
from services.accounts.app import service as accounts
from services.accounts.settings import AccountsSettings
from tests.support.postgres import throwaway_server
from tests.support.services import RunningService, running_service

PASSWORD = "correct horse battery 42"  # noqa: S105 - an account that lives for a minute
CALLERS = 6
LAG_PAUSE_SECONDS = 0.005


def measure(settings: Settings) -> list[Figure]:
    with throwaway_server(durable=True):
        return uvloop.run(_measure(settings))


async def _measure(settings: Settings) -> list[Figure]:
    threads = os.cpu_count() or 1
    logins = Figure("A6", f"logins, {threads} hash threads", "logins/s", f"bare argon2id, {threads} threads", 0.9)
    lag = Figure("A6", "event-loop lag p99 while logging in", "ms", "idle loop", less_is_better=True)
    many = dict.fromkeys(("login_account", "login_account_network", "login_network", "login_device"), 10**6)
    async with running_service(accounts, hash_wait_seconds=30, limits=many) as running:
        await _person(running)
        for _ in range(settings.runs):
            idle = await _lag_while(asyncio.sleep(settings.seconds))
            began = time.perf_counter()
            done: list[int] = []
            busy = await _lag_while(_log_in(running, began + 2 * settings.seconds, done))
            logins.add(len(done) / (time.perf_counter() - began), await _bare(running, threads, settings.seconds))
            lag.add(busy, idle)
    return [logins, lag]


async def _person(running: RunningService) -> None:
    from services.accounts import usecases  # noqa: PLC0415

    async with running.runtime.database.write() as session:
        await usecases.create_admin(session, "someone@example.com", PASSWORD, now=running.clock.now())


async def _log_in(running: RunningService, until: float, done: list[int]) -> None:
    body = {"email": "someone@example.com", "password": PASSWORD}

    async def caller() -> None:
        async with running.client() as client:
            while time.perf_counter() < until:
                answer = await client.post("/v1/auth/login", json=body)
                if answer.status_code != 200:  # noqa: PLR2004 - a refusal is no login
                    raise RuntimeError(f"a login was answered {answer.status_code}: {answer.text}")
                done.append(1)

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def _bare(running: RunningService, threads: int, seconds: float) -> float:
    settings = running.runtime.settings
    assert isinstance(settings, AccountsSettings)
    hasher = argon2.PasswordHasher(settings.argon2_time_cost, settings.argon2_memory_kib, 1)
    known, until = hasher.hash(PASSWORD), time.perf_counter() + seconds

    def check() -> int:
        count = 0
        while time.perf_counter() < until:
            hasher.verify(known, PASSWORD)
            count += 1
        return count

    with ThreadPoolExecutor(threads) as pool:
        loop = asyncio.get_running_loop()
        counts = await asyncio.gather(*(loop.run_in_executor(pool, check) for _ in range(threads)))
    return sum(counts) / seconds


async def _lag_while(work: Coroutine[Any, Any, None]) -> float:
    """The 99th percentile, in milliseconds, of how much later than asked the loop woke a sleeper during the work."""
    task = asyncio.create_task(work)
    late = []
    while not task.done():
        asked = time.perf_counter()
        await asyncio.sleep(LAG_PAUSE_SECONDS)
        late.append(1000 * (time.perf_counter() - asked - LAG_PAUSE_SECONDS))
    await task
    return percentile(late, 0.99)
