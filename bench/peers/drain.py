"""What a FastAPI developer would pick for an outbox: faststream-outbox, tuned, with a FastStream consumer.

Run as a script with the peers' Python: `drain.py DATABASE_URL AMQP_URL COUNT` prints events a second, from the start of
relay and consumer to the last handled commit. The queue is a quorum queue, publishes are confirmed, and each message's
effect is one committed row.
"""

import asyncio
import logging
import sys
import time

from faststream.rabbit import QueueType, RabbitBroker, RabbitQueue
from faststream_outbox import OutboxBroker, make_outbox_table
from sqlalchemy import Column, MetaData, Table, Text, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BATCH, WORKERS, PREFETCH = 100, 8, 200
metadata = MetaData()
outbox = make_outbox_table(metadata, table_name="peer_outbox")
effects = Table("peer_effects", metadata, Column("key", Text, primary_key=True))


async def main(database: str, amqp: str, count: int) -> None:
    engine = create_async_engine(database.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=20)
    queue = RabbitQueue("peer", queue_type=QueueType.QUORUM, durable=True)
    rabbit = RabbitBroker(amqp, logger=None)
    relay = OutboxBroker(engine, outbox_table=outbox, logger=None)

    # Without a session of its own: the smallest transaction that makes the effect safe.
    @rabbit.subscriber(queue)
    async def handle(body: dict[str, str]) -> None:
        async with engine.begin() as connection:
            await connection.execute(insert(effects).values(key=body["key"]))

    @rabbit.publisher(queue, persist=True)
    @relay.subscriber(
        "peer",
        max_workers=WORKERS,
        fetch_batch_size=BATCH,
        min_fetch_interval=0.01,
        max_fetch_interval=0.1,
        terminal_flush_batch_size=BATCH,
    )
    async def send(body: dict[str, str]) -> dict[str, str]:
        return body

    async with engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)
        await connection.run_sync(metadata.create_all)
        await _fill(relay, connection, count)
    began = time.perf_counter()
    await rabbit.start()
    await relay.start()
    await _until_handled(engine, count)
    print(count / (time.perf_counter() - began))
    await relay.stop()
    await rabbit.stop()
    await engine.dispose()


async def _fill(relay: OutboxBroker, connection: AsyncConnection, count: int) -> None:
    for number in range(count):
        await relay.publish({"key": str(number), "words": "x" * 200}, queue="peer", session=connection)


async def _until_handled(engine: AsyncEngine, count: int) -> None:
    async with asyncio.timeout(120), engine.connect() as connection:
        while await connection.scalar(select(func.count()).select_from(effects)) < count:
            await connection.rollback()
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
