"""Jobs while RabbitMQ is gone: nothing waits for it, and what happened is told afterwards, in order and once."""

from collections import defaultdict
from dataclasses import replace

import pytest

from services.jobs.app import service
from services.jobs.queue import Queue
from shared.clock import SystemClock
from shared.contracts import jobs
from shared.events.amqp import AmqpTransport
from shared.events.broker import Topology
from shared.events.event import on
from shared.events.transport import routes_of
from shared.ids import new_id
from tests.shared.events.topics import EFFECTS, Recorder
from tests.support.buses import joined
from tests.support.jobs import PLACE
from tests.support.toy import counter

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

LIFE = (jobs.JobCreated, jobs.JobStarted, jobs.JobCompleted)
NUMBER = 20


async def work_off(database):
    """Create, run and finish jobs as runners do."""
    queue, clock = Queue(database), SystemClock()
    values = {"user": str(new_id()), "tool": "memes", "now": clock.now(), "cost": 1.0, "number": NUMBER}
    async with database.pool.connection() as connection:
        await connection.execute(PLACE, values)
    while claims := await queue.claim("interactive", ["memes"], "by-hand", lease=60, now=clock.now()):
        end = {"run_seconds": 1, "units": {"ai_generations": 1}, "files": [], "url": "/v1/x"}
        assert await queue.settle(claims[0], "COMPLETED", end, now=clock.now()) == "COMPLETED"


async def test_jobs_run_while_the_broker_is_gone_and_are_told_of_in_order_once_when_it_is_back(broker):
    recorder = Recorder()
    follower = replace(
        counter(recorder), subscribes=tuple(on(event, recorder, consumer="lives", ordered=True) for event in LIFE)
    )
    services = (service, follower)
    await Topology(broker.url, routes_of(services)).establish()
    async with joined(*services, transport=lambda _, given: AmqpTransport(broker.url, routes_of(given))) as buses:
        await buses.start()
        broker.stop()
        await work_off(buses.database["jobs"])
        ended = await buses.rows("jobs", "SELECT status, count(*) AS n FROM jobs GROUP BY status")
        assert ended == [{"status": "COMPLETED", "n": NUMBER}]
        unsent = "SELECT count(*) FROM outbox WHERE published_at IS NULL"
        assert await buses.scalar("jobs", unsent) >= len(LIFE) * NUMBER
        broker.start_again()
        await buses.until(lambda: all_told(buses), seconds=60)
        lives = defaultdict(list)
        for effect in await buses.rows("chat", EFFECTS):
            assert effect["times"] == 1
            lives[effect["key"].split(":")[0]].append(effect["position"])
        assert len(lives) == NUMBER
        assert all(life == [1, 2, 3] for life in lives.values())


async def all_told(buses):
    return len(await buses.rows("chat", EFFECTS)) == len(LIFE) * NUMBER
