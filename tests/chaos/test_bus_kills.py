"""Relay, intake and workers are killed again and again while a thousand events pass; not one may be lost, doubled or
out of order."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import pytest

from shared.clock import SystemClock
from shared.contracts.community import ForumTopicCreated
from shared.database import Database
from shared.events.outbox import publish
from shared.ids import new_id
from tests.chaos.bus_process import DEADLY_CATEGORY, HANDLED, toys
from tests.support.postgres import database_of

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

EVENTS, SUBJECTS, KILLS, SEED = 1000, 200, 24, 7
PAUSE_SECONDS = 0.9
SETTLE_SECONDS = 90
DONE = "SELECT count(*) AS n FROM inbox WHERE status IN (1, 3)"


class Fleet:
    """Processes that are started again whenever they die."""

    def __init__(self, orders: list[dict[str, Any]]) -> None:
        self._orders = orders
        self._running: list[subprocess.Popen[bytes]] = [self._start(order) for order in orders]
        self.restarts = 0

    def kill(self, position: int) -> None:
        self._running[position].kill()
        self._running[position].wait()
        self.revive()

    def revive(self) -> None:
        for position, process in enumerate(self._running):
            if process.poll() is not None:
                self._running[position] = self._start(self._orders[position])
                self.restarts += 1

    def stop(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @staticmethod
    def _start(orders: dict[str, Any]) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "tests.chaos.bus_process", json.dumps(orders)])


@contextmanager
def fleet(urls: dict[str, str], amqp_url: str | None):
    """Over a broker: a relay and two that take in and work. Without: two that do everything, and one that works."""
    runs = [["community"], ["chat"], ["chat"]] if amqp_url else [["community", "chat"], ["community", "chat"], ["chat"]]
    orders = [{"run": run, "urls": urls, "amqp_url": amqp_url} for run in runs]
    ships = Fleet(orders)
    try:
        yield ships
    finally:
        ships.stop()


@pytest.fixture(params=["local", "amqp"])
def amqp_url(request):
    return request.getfixturevalue("clean_broker").url if request.param == "amqp" else None


@pytest.fixture
async def databases():
    async with AsyncExitStack() as stack:
        opened = {}
        for service in toys():
            url = stack.enter_context(database_of(service))
            opened[service.name] = Database(url, service=service.name, clock=SystemClock())
            await opened[service.name].open()
            stack.push_async_callback(opened[service.name].close)
        async with opened["chat"].pool.connection() as connection:
            await connection.execute(HANDLED)
        yield opened


async def rows(database: Database, query: str) -> list[dict[str, Any]]:
    async with database.pool.connection() as connection:
        return await (await connection.execute(query.encode())).fetchall()


async def publish_slowly(database: Database, seconds: float) -> None:
    """A thousand events over many subjects, in bursts of different sizes."""
    topics = [new_id() for _ in range(SUBJECTS)]
    sequences: Counter[int] = Counter()
    luck, sent = random.Random(SEED), 0
    while sent < EVENTS:
        burst = min(luck.choice((1, 2, 5, 30)), EVENTS - sent)
        async with database.write() as session:
            for _ in range(burst):
                which = luck.randrange(SUBJECTS)
                sequences[which] += 1
                event = ForumTopicCreated(topic_id=topics[which], user_id=new_id(), category="tests")
                await publish(session, event, sequence=sequences[which])
        sent += burst
        await asyncio.sleep(seconds * burst / EVENTS)


async def in_the_middle(database: Database) -> None:
    """Wait for a moment in which some handler is at work, so that kills hit where it hurts; but not for ever."""
    busy = """
        SELECT count(*) AS n FROM pg_stat_activity
         WHERE datname = current_database() AND state = 'idle in transaction' AND query ILIKE '%handled%'
    """
    deadline = time.monotonic() + PAUSE_SECONDS
    while time.monotonic() < deadline and not (await rows(database, busy))[0]["n"]:  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.005)


async def settled(database: Database, count: int, ships: Fleet) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while (await rows(database, DONE))[0]["n"] < count:
        assert time.monotonic() < deadline, await rows(database, "SELECT status, count(*) FROM inbox GROUP BY status")
        ships.revive()
        # What waits for a retry after bad luck need not wait for its whole pause.
        await rows(database, "UPDATE inbox SET next_attempt_at = now() WHERE attempts BETWEEN 1 AND 6 RETURNING 1")
        await asyncio.sleep(0.2)


async def test_twenty_four_kills_lose_nothing_double_nothing_and_keep_the_order(databases, amqp_url):
    urls = {name: database.url for name, database in databases.items()}
    luck = random.Random(SEED)
    async with databases["community"].write() as session:
        await publish(session, ForumTopicCreated(topic_id=new_id(), user_id=new_id(), category="first"), sequence=1)
    with fleet(urls, amqp_url) as ships:
        await settled(databases["chat"], 1, ships)
        publishing = asyncio.create_task(publish_slowly(databases["community"], KILLS * PAUSE_SECONDS))
        for position in luck.sample([0, 1, 2] * (KILLS // 3), KILLS):
            await asyncio.sleep(PAUSE_SECONDS * luck.uniform(0.4, 1))
            await in_the_middle(databases["chat"])
            await asyncio.to_thread(ships.kill, position)
        await publishing
        await settled(databases["chat"], EVENTS + 1, ships)
    handled = await rows(databases["chat"], "SELECT subject, sequence FROM handled ORDER BY n")
    by_subject: dict[str, list[int]] = {}
    for row in handled:
        by_subject.setdefault(row["subject"], []).append(row["sequence"])
    assert len(handled) == EVENTS + 1
    assert {subject: sequences == sorted(set(sequences)) for subject, sequences in by_subject.items()} == dict.fromkeys(
        by_subject, True
    )
    assert (await rows(databases["community"], "SELECT count(*) AS n FROM outbox WHERE published_at IS NULL"))[0][
        "n"
    ] == 0
    assert (await rows(databases["chat"], "SELECT count(*) AS n FROM inbox WHERE claim IS NOT NULL"))[0]["n"] == 0
    assert ships.restarts >= KILLS


async def test_an_event_that_kills_every_process_that_handles_it_ends_parked_and_alone(databases, amqp_url):
    urls = {name: database.url for name, database in databases.items()}
    async with databases["community"].write() as session:
        for number in range(60):
            category = DEADLY_CATEGORY if number == 20 else "tests"
            event = ForumTopicCreated(topic_id=new_id(), user_id=new_id(), category=category)
            await publish(session, event, sequence=1)
    with fleet(urls, amqp_url) as ships:
        await settled(databases["chat"], 59, ships)
        deadline = time.monotonic() + SETTLE_SECONDS
        while not (found := await rows(databases["chat"], "SELECT error_class FROM inbox WHERE status = 2")):
            assert time.monotonic() < deadline
            await rows(
                databases["chat"],
                "UPDATE inbox SET lease_until = now() WHERE claim IS NOT NULL AND attempts > 1 RETURNING 1",
            )
            await asyncio.sleep(0.2)
            ships.revive()
    assert [row["error_class"] for row in found] == ["TooManyCrashes"]
    assert (await rows(databases["chat"], "SELECT count(*) AS n FROM handled"))[0]["n"] == 59
